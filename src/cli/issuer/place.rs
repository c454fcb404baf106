//! Chooses whose tokens an issuer manages: what the command line says, or the only place that the login may manage.

use crate::api::{GitLab, Gitea, Harbor, HarborLevel, IssuerSpec, Registry, Tls};
use crate::cli::discover_args::PlaceArgs;
use crate::portal::inspection::{Place, Places};

/// How many places are listed.
pub(crate) const MAX_SHOWN: usize = 20;

/// The fields that remain to be set, with what to do.
type Unset = Vec<String>;

/// Sets user, project or group, and the registry. Returns the fields that remain to be set.
pub(crate) fn choose(
    spec: &mut IssuerSpec,
    arguments: &PlaceArgs,
    found: &Places,
    registry_tls: Option<&Tls>,
) -> Unset {
    let host = spec.connection().and_then(|connection| host_of(connection.url));
    let (mut unset, registry) = match (&mut spec.gitea, &mut spec.harbor, &mut spec.gitlab) {
        (Some(gitea), _, _) => (choose_user(gitea, arguments, found), host),
        (_, Some(harbor), _) => {
            let unset = choose_level(harbor, arguments, found);
            let project = harbor.project.as_ref().map(|project| format!("/{project}")).unwrap_or_default();
            (unset, host.map(|host| host + &project))
        }
        (_, _, Some(gitlab)) => (choose_holder(gitlab, arguments, found), registry_of_only_place(found)),
        _ => (vec![], host),
    };
    if let Some(host) = registry {
        spec.registries = vec![Registry { host, tls: registry_tls.cloned() }];
    } else {
        let what = "the host of the container registry that accepts the tokens, such as registry.example.com";
        unset.push(format!("spec.registries: {what}"));
    }
    unset
}

fn choose_user(gitea: &mut Gitea, arguments: &PlaceArgs, found: &Places) -> Unset {
    match arguments.user.clone().or_else(|| only(found, user_name).ok()) {
        Some(user) => gitea.user = user,
        None => return vec!["spec.gitea.user: use --user".to_owned()],
    }
    vec![]
}

fn choose_level(harbor: &mut Harbor, arguments: &PlaceArgs, found: &Places) -> Unset {
    harbor.level = arguments.level.map(Into::into).unwrap_or_default();
    (harbor.project, harbor.projects) = (None, None);
    match (harbor.level, &arguments.projects[..]) {
        (HarborLevel::System, []) => {
            let flags = "use --project for each project that the tokens may access, or --project '*' for all";
            return vec![format!("spec.harbor.projects: {flags}")];
        }
        (HarborLevel::System, projects) => harbor.projects = Some(projects.to_vec()),
        (HarborLevel::Project, [project, ..]) => harbor.project = Some(project.clone()),
        (HarborLevel::Project, []) => match only(found, project_name) {
            Ok(project) => harbor.project = Some(project),
            Err(names) => return vec![unclear("spec.harbor.project", "--project", &names, found)],
        },
    }
    vec![]
}

fn choose_holder(gitlab: &mut GitLab, arguments: &PlaceArgs, found: &Places) -> Unset {
    (gitlab.project, gitlab.group) = (arguments.projects.first().cloned(), arguments.group.clone());
    if gitlab.project.is_some() || gitlab.group.is_some() {
        return vec![];
    }
    match (&found.places[..], found.is_partial) {
        ([Place::Project { name, .. }], false) => gitlab.project = Some(name.clone()),
        ([Place::Group { name, .. }], false) => gitlab.group = Some(name.clone()),
        _ => {
            let names: Vec<String> = found.places.iter().filter_map(name).cloned().collect();
            let field = "spec.gitlab.project or spec.gitlab.group";
            return vec![unclear(field, "--project or --group", &names, found)];
        }
    }
    vec![]
}

/// The registry of GitLab, which is another server than GitLab itself.
fn registry_of_only_place(found: &Places) -> Option<String> {
    match &found.places[..] {
        [Place::Project { registry, .. } | Place::Group { registry, .. }] => registry.clone(),
        _ => None,
    }
}

/// What a place is called; human-readable.
pub(crate) fn describe(place: &Place) -> String {
    match place {
        Place::User(name) => format!("user {name}"),
        Place::Project { name, .. } => format!("project {name}"),
        Place::Group { name, .. } => format!("group {name}"),
        Place::System => "the system".to_owned(),
    }
}

fn unclear(field: &str, flag: &str, names: &[String], found: &Places) -> String {
    let more = if found.is_partial || names.len() > MAX_SHOWN { ", and others" } else { "" };
    let shown: Vec<&str> = names.iter().take(MAX_SHOWN).map(String::as_str).collect();
    if shown.is_empty() {
        let missing = "the login may manage the tokens of none that was found";
        return format!("{field}: {missing}: use {flag}, or another login");
    }
    format!("{field}: one of {}{more}: use {flag}", shown.join(", "))
}

/// The only place of a kind, or all of that kind.
fn only(found: &Places, select: fn(&Place) -> Option<&String>) -> Result<String, Vec<String>> {
    let names: Vec<String> = found.places.iter().filter_map(select).cloned().collect();
    match &names[..] {
        [only] if !found.is_partial => Ok(only.clone()),
        _ => Err(names),
    }
}

fn user_name(place: &Place) -> Option<&String> {
    if let Place::User(name) = place { Some(name) } else { None }
}

fn project_name(place: &Place) -> Option<&String> {
    if let Place::Project { name, .. } = place { Some(name) } else { None }
}

fn name(place: &Place) -> Option<&String> {
    match place {
        Place::User(name) | Place::Project { name, .. } | Place::Group { name, .. } => Some(name),
        Place::System => None,
    }
}

/// Host and port of an address.
fn host_of(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spec(kind: &str, portal: &Value) -> IssuerSpec {
        let mut portal = portal.clone();
        portal["url"] = json!("https://portal.example.com:8443");
        portal["auth"] = json!({"type": "Basic", "basic": {"secretRef": {"name": "portal"}}});
        let mut spec = json!({"type": kind, "registries": []});
        spec[kind.to_lowercase()] = portal;
        serde_json::from_value(spec).expect("a spec")
    }

    fn project(name: &str, registry: Option<&str>) -> Place {
        Place::Project { name: name.to_owned(), registry: registry.map(str::to_owned) }
    }

    fn found(places: Vec<Place>) -> Places {
        Places { login: "bot".to_owned(), places, is_partial: false }
    }

    fn arguments(projects: &[&str]) -> PlaceArgs {
        PlaceArgs { projects: projects.iter().map(ToString::to_string).collect(), ..PlaceArgs::default() }
    }

    fn hosts(spec: &IssuerSpec) -> Vec<&str> {
        spec.registries.iter().map(|registry| registry.host.as_str()).collect()
    }

    #[test]
    fn a_single_place_is_taken_and_its_registry_too() {
        let mut gitea = spec("Gitea", &json!({"user": ""}));
        let unset = choose(&mut gitea, &arguments(&[]), &found(vec![Place::User("bot".to_owned())]), None);
        assert_eq!((unset, gitea.gitea.as_ref().expect("set").user.as_str()), (vec![], "bot"));
        assert_eq!(hosts(&gitea), ["portal.example.com:8443"]);

        let mut harbor = spec("Harbor", &json!({}));
        let unset = choose(&mut harbor, &arguments(&[]), &found(vec![project("apps", None), Place::System]), None);
        assert_eq!((unset, harbor.harbor.as_ref().expect("set").project.as_deref()), (vec![], Some("apps")));
        assert_eq!(hosts(&harbor), ["portal.example.com:8443/apps"]);

        let mut gitlab = spec("GitLab", &json!({}));
        let places = found(vec![project("team/apps", Some("registry.example.com/team/apps"))]);
        assert_eq!(choose(&mut gitlab, &arguments(&[]), &places, None), Vec::<String>::new());
        assert_eq!(gitlab.gitlab.as_ref().expect("set").project.as_deref(), Some("team/apps"));
        assert_eq!(hosts(&gitlab), ["registry.example.com/team/apps"]);
    }

    #[test]
    fn several_places_are_listed_and_none_is_taken() {
        let places = |is_partial| Places { is_partial, ..found(vec![project("a", None), project("b", None)]) };
        for (is_partial, says) in [(false, "one of a, b: use"), (true, "one of a, b, and others: use")] {
            let mut harbor = spec("Harbor", &json!({}));
            let unset = choose(&mut harbor, &arguments(&[]), &places(is_partial), None);
            assert!(unset[0].contains(says), "{unset:?}");
            assert_eq!(harbor.harbor.expect("set").project, None);
        }
        let mut harbor = spec("Harbor", &json!({}));
        let one = Places { is_partial: true, ..found(vec![project("a", None)]) };
        assert_eq!(choose(&mut harbor, &arguments(&[]), &one, None).len(), 1, "there may be others");
    }

    #[test]
    fn the_command_line_decides() {
        let mut harbor = spec("Harbor", &json!({}));
        let system = PlaceArgs { level: Some(crate::cli::discover_args::LevelArg::System), ..arguments(&["a", "b"]) };
        assert_eq!(choose(&mut harbor, &system, &found(vec![]), None), Vec::<String>::new());
        let harbor_spec = harbor.harbor.as_ref().expect("set");
        assert_eq!(harbor_spec.project, None);
        assert_eq!(
            (harbor_spec.level, harbor_spec.projects.clone()),
            (HarborLevel::System, Some(vec!["a".into(), "b".into()]))
        );
        assert_eq!(hosts(&harbor), ["portal.example.com:8443"]);
        let mut gitlab = spec("GitLab", &json!({}));
        let group = PlaceArgs { group: Some("team".to_owned()), ..PlaceArgs::default() };
        let places = found(vec![Place::Group { name: "team".to_owned(), registry: None }]);
        let unset = choose(&mut gitlab, &group, &places, None);
        assert!(unset.len() == 1 && unset[0].starts_with("spec.registries: "), "{unset:?}");
        assert_eq!(gitlab.gitlab.expect("set").group.as_deref(), Some("team"));
    }
}
