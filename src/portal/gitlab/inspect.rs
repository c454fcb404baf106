//! What an issuer's login may do, before the first request.

use super::account::{Account, Group, OwnToken, Project, User};
use super::{GitLabPortal, client, spec};
use crate::portal::PortalError;
use crate::portal::inspection::{Inspection, InspectionSettings, Place, Places, PlacesResult};
use crate::sanitize::sanitize;

/// Access levels (`lib/gitlab/access.rb`).
const MAINTAINER: i64 = 40;
const OWNER: i64 = 50;
/// The scope that calls of deploy tokens require.
const API_SCOPE: &str = "api";

/// Reads what the login of an issuer may do. Changes nothing.
///
/// # Errors
/// As [`GitLabPortal::new`].
pub async fn inspect(settings: InspectionSettings<'_>) -> Result<Inspection, PortalError> {
    let InspectionSettings { portal: settings, credentials_source } = settings;
    let mut portal = GitLabPortal::new(settings)?;
    portal.client = portal.client.with_credentials_source(credentials_source);
    let mut inspection = Inspection::default();
    let account = Account { client: &portal.client };
    let user = match Login::read(&account).await {
        Ok(login) => {
            let version = account.version().await.ok().flatten();
            inspection.add_or_unknown("version", version.ok_or("this server does not show it to the login"));
            login.add_to(&mut inspection);
            login
        }
        Err(failure) => {
            inspection.add_problem(failure.message);
            return Ok(inspection);
        }
    };
    if let Err(failure) = portal.add_holder(&mut inspection, &account, &user).await {
        inspection.add_problem(failure.message);
    }
    inspection.read_list(&portal).await;
    Ok(inspection)
}

/// Reads the projects and groups whose deploy tokens the login may create. Changes nothing.
///
/// # Errors
/// If the login is rejected, or may not read them.
pub async fn places(settings: InspectionSettings<'_>) -> PlacesResult {
    let InspectionSettings { portal: settings, credentials_source } = settings;
    let spec = spec(&settings)?;
    let client = client(&spec, settings)?.with_credentials_source(credentials_source);
    let account = Account { client: &client };
    let login = Login::read(&account).await?;
    if let (Some(name), _) | (None, Some(name)) = (&spec.project, &spec.group) {
        let place = if spec.project.is_some() {
            let project = account.project(name).await?;
            let registry = project.and_then(|project| project.container_registry_image_prefix);
            Place::Project { name: name.clone(), registry }
        } else {
            Place::Group { name: name.clone(), registry: registry_of_group(&account, name).await }
        };
        return Ok(Places { login: login.describe(), places: vec![place], is_partial: false });
    }
    let (projects, all_projects) = account.projects(MAINTAINER).await?;
    let (groups, all_groups) = account.groups(OWNER).await?;
    let registry_host = projects.iter().find_map(|project| host(project.container_registry_image_prefix.as_deref()?));
    let groups = groups.into_iter().map(|group| {
        let registry = registry_host.as_ref().map(|host| format!("{host}/{}", group.full_path));
        Place::Group { name: group.full_path, registry }
    });
    let projects = projects.into_iter().map(|project| {
        let registry = project.container_registry_image_prefix;
        Place::Project { name: project.path_with_namespace, registry }
    });
    let places = projects.chain(groups).collect();
    Ok(Places { login: login.describe(), places, is_partial: !(all_projects && all_groups) })
}

/// The registry of a group's images: GitLab names it for projects only.
async fn registry_of_group(account: &Account<'_>, name: &str) -> Option<String> {
    let Group { full_path, .. } = account.group(name).await.ok().flatten()?;
    let (projects, _) = account.projects(MAINTAINER).await.ok()?;
    let host = projects.iter().find_map(|project| host(project.container_registry_image_prefix.as_deref()?))?;
    Some(format!("{host}/{full_path}"))
}

/// The host of an image's name.
fn host(prefix: &str) -> Option<String> {
    prefix.split('/').next().filter(|host| !host.is_empty()).map(str::to_owned)
}

/// The access token, and whose it is.
struct Login {
    token: Option<OwnToken>,
    user: Option<User>,
}

impl Login {
    async fn read(account: &Account<'_>) -> Result<Self, PortalError> {
        Ok(Self { token: account.own_token().await?, user: account.user().await? })
    }

    fn user_id(&self) -> Option<i64> {
        self.user.as_ref().map(|user| user.id).or_else(|| self.token.as_ref().map(|token| token.user_id))
    }

    fn is_admin(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.is_admin)
    }

    fn describe(&self) -> String {
        let role = if self.is_admin() { ", an administrator" } else { "" };
        let user = self.user.as_ref().map(|user| format!("user {}{role}", user.username));
        let token = self.token.as_ref().map(|token| format!("access token {}", token.name));
        let parts: Vec<String> = user.into_iter().chain(token).collect();
        if parts.is_empty() {
            "not known: GitLab shows neither its user nor the access token".to_owned()
        } else {
            parts.join(", ")
        }
    }

    /// Adds login, scopes and expiry.
    fn add_to(&self, inspection: &mut Inspection) {
        inspection.add_fact("login", self.describe());
        let Some(token) = &self.token else {
            let why = "this GitLab does not show the access token, as before version 15.5";
            inspection.add_unknown("scopes", why);
            inspection.add_unknown("expires", why);
            return;
        };
        inspection.add_fact("scopes", token.scopes.join(", "));
        match &token.expires_at {
            Some(date) => inspection.add_fact(
                "expires",
                format!("on {date}: store a new access token before that, or nothing is rotated or revoked any more"),
            ),
            None => inspection.add_fact("expires", "never"),
        }
        // The scopes of a fine-grained access token are not shown.
        let has_api = token.scopes.iter().any(|scope| scope == API_SCOPE);
        if !has_api && !token.scopes.iter().any(|scope| scope == "granular") {
            inspection.add_problem(format!(
                "spec.gitlab.auth: the access token has the scopes {}: create one with the scope {API_SCOPE}",
                sanitize(&token.scopes.join(", "))
            ));
        }
    }
}

impl GitLabPortal {
    /// Adds whether the project or group exists, and what the login may do there.
    async fn add_holder(
        &self,
        inspection: &mut Inspection,
        account: &Account<'_>,
        login: &Login,
    ) -> Result<(), PortalError> {
        let (kind, name) = self.spec.holder();
        if kind == "projects" {
            match account.project(name).await? {
                Some(project) => add_project(inspection, name, &project, login),
                None => add_missing(inspection, "project", name),
            }
            return Ok(());
        }
        let Some(group) = account.group(name).await? else {
            add_missing(inspection, "group", name);
            return Ok(());
        };
        inspection.add_fact("group", format!("{name} exists (id {}, path {})", group.id, group.full_path));
        let level = match login.user_id() {
            Some(user) => account.group_access(group.id, user).await?,
            None => None,
        };
        add_role(inspection, "group", (level, OWNER), login);
        Ok(())
    }
}

fn add_project(inspection: &mut Inspection, name: &str, project: &Project, login: &Login) {
    inspection.add_fact("project", format!("{name} exists (id {}, path {})", project.id, project.path_with_namespace));
    add_role(inspection, "project", (project.access_level(), MAINTAINER), login);
    match (&project.container_registry_access_level, &project.container_registry_image_prefix) {
        (Some(level), _) if level == "disabled" => {
            inspection.add_fact("registry", "the container registry of the project is turned off");
        }
        (_, Some(prefix)) => inspection.add_fact("registry", format!("images are named {prefix}/...")),
        _ => inspection.add_unknown("registry", "GitLab does not say it for this project"),
    }
}

fn add_missing(inspection: &mut Inspection, kind: &'static str, name: &str) {
    inspection.add_fact(kind, format!("{name} is not found"));
    inspection.add_problem(format!(
        "spec.gitlab.{kind}: GitLab does not find the {kind} {name}, or the login may not see it: check the id or path, and the members of the {kind}"
    ));
}

/// Adds the role of the login, and whether it is sufficient: a Maintainer of a group can read its deploy tokens, but not
/// create any (`app/policies/group_policy.rb`).
fn add_role(inspection: &mut Inspection, kind: &str, (level, required): (Option<i64>, i64), login: &Login) {
    let Some(level) = level else {
        let why =
            if login.is_admin() { "the login is an administrator, and no member" } else { "GitLab does not show it" };
        inspection.add_unknown("role", why);
        return;
    };
    inspection.add_fact("role", format!("{} of the {kind}", role_name(level)));
    if level < required && !login.is_admin() {
        inspection.add_problem(format!(
            "spec.gitlab.auth: the login is {} of the {kind}: to create and revoke deploy tokens it needs the role {}",
            role_name(level),
            role_name(required)
        ));
    }
}

fn role_name(level: i64) -> String {
    match level {
        5 => "Minimal access".to_owned(),
        10 => "Guest".to_owned(),
        15 => "Planner".to_owned(),
        20 => "Reporter".to_owned(),
        30 => "Developer".to_owned(),
        MAINTAINER => "Maintainer".to_owned(),
        OWNER => "Owner".to_owned(),
        other => format!("access level {other}"),
    }
}
