use super::*;
use crate::api::Reason;

fn spec(url: &str, kind: ArgoCDRepositoryType) -> ArgoCDRepository {
    ArgoCDRepository { name: None, url: url.to_owned(), kind, project: None }
}

fn desired(url: &str) -> Desired {
    Desired::new(&spec(url, ArgoCDRepositoryType::Repository), "token", "pull")
}

fn synced() -> RecordedArgoCDRepository {
    RecordedArgoCDRepository {
        name: "pull-argocd".to_owned(),
        resource_version: Some("7".to_owned()),
        token_id: Some("17".to_owned()),
        settings: Some("hash".to_owned()),
    }
}

#[test]
fn the_settings_are_those_that_argocd_reads() {
    let mut repository = spec("r.example/charts", ArgoCDRepositoryType::Repository);
    repository.project = Some("web".parse().expect("a name"));
    let secret = Desired::new(&repository, "token", "pull");
    assert_eq!((secret.name.as_str(), secret.argocd_type), ("pull-argocd", "repository"));
    let expected =
        [("enableOCI", "true"), ("name", "token"), ("project", "web"), ("type", "helm"), ("url", "r.example/charts")];
    assert_eq!(secret.settings.iter().map(|(key, value)| (*key, value.as_str())).collect::<Vec<_>>(), expected);

    let mut template = spec("r.example/", ArgoCDRepositoryType::RepoCreds);
    template.name = Some("charts".parse().expect("a name"));
    let secret = Desired::new(&template, "token", "pull");
    assert_eq!((secret.name.as_str(), secret.argocd_type), ("charts", "repo-creds"));
    assert_eq!(secret.settings.keys().copied().collect::<Vec<_>>(), ["enableOCI", "type", "url"]);
}

#[test]
fn every_setting_and_the_registries_change_the_hash() {
    let base = desired("r.example/charts");
    let mut project = spec("r.example/charts", ArgoCDRepositoryType::Repository);
    project.project = Some("web".parse().expect("a name"));
    let hashes = [
        base.hash("a"),
        base.hash("b"),
        desired("r.example/other").hash("a"),
        Desired::new(&spec("r.example/charts", ArgoCDRepositoryType::RepoCreds), "token", "pull").hash("a"),
        Desired::new(&project, "token", "pull").hash("a"),
    ];
    let distinct: std::collections::HashSet<&String> = hashes.iter().collect();
    assert_eq!(distinct.len(), hashes.len());
    assert_eq!(desired("r.example/charts").hash("a"), hashes[0]);
}

#[test]
fn a_secret_with_the_recorded_version_token_and_settings_is_not_read() {
    let record = synced();
    let current = |token, settings, version| is_current(Some(&record), (token, settings), version);
    assert!(current("17", "hash", Some("7")));
    for (token, settings, version) in
        [("18", "hash", Some("7")), ("17", "other", Some("7")), ("17", "hash", Some("8")), ("17", "hash", None)]
    {
        assert!(!current(token, settings, version), "{token} {settings} {version:?}");
    }
    assert!(!is_current(None, ("17", "hash"), Some("7")));
    let unread = RecordedArgoCDRepository { resource_version: None, ..synced() };
    assert!(!is_current(Some(&unread), ("17", "hash"), None), "neither recorded nor cached");
}

fn owned(controller: Option<&str>, labels: &[(&str, &str)], is_opaque: bool, of_other: bool) -> bool {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    is_ours("o", Facts { is_opaque, controller_uid: controller, labels: &labels, label_names_other_object: of_other })
}

#[test]
fn a_secret_is_ours_by_its_controller_or_by_both_labels() {
    let labels: &[(&str, &str)] = &[(OWNER_LABEL, "o"), (ROLE_LABEL, ARGOCD_ROLE)];
    assert!(owned(Some("o"), &[], true, false), "the labels were removed");
    assert!(owned(None, labels, true, false), "the owner reference was removed");
    assert!(!owned(Some("other"), labels, true, false), "a controller decides alone");
    assert!(!owned(None, &labels[..1], true, false), "a pull secret");
    assert!(!owned(None, &labels[1..], true, false));
    assert!(!owned(None, &[], true, false));
    assert!(!owned(Some("o"), labels, false, false), "another type");
    let restored: &[(&str, &str)] = &[(OWNER_LABEL, "former"), (ROLE_LABEL, ARGOCD_ROLE)];
    assert!(owned(None, restored, true, false), "restored from a backup");
    assert!(!owned(None, restored, true, true), "of another object");
}

#[test]
fn what_belongs_to_others_is_left_alone_whatever_is_wanted() {
    for source in [Source::NotStored, Source::NotServed, Source::Stored] {
        let owner = Some("the RegistryToken \"a\"".to_owned());
        assert_eq!(decide(Found::Foreign(owner.clone()), source), Decision::Done(State::Foreign(owner)));
    }
}

#[test]
fn the_secret_follows_the_pull_secret() {
    let ours = |matches| Found::Ours { matches };
    assert_eq!(decide(Found::NotFound, Source::Stored), Decision::Create);
    assert_eq!(decide(ours(false), Source::Stored), Decision::Update);
    assert_eq!(decide(ours(true), Source::Stored), Decision::Done(State::Synced));
    // A pull secret that is repaired at this moment changes nothing.
    for found in [Found::NotFound, ours(true), ours(false)] {
        assert_eq!(decide(found, Source::NotStored), Decision::Done(State::Pending));
    }
    // No login stays that would not be kept up to date.
    assert_eq!(decide(ours(true), Source::NotServed), Decision::Delete);
    assert_eq!(decide(Found::NotFound, Source::NotServed), Decision::Done(State::NotServed));
}

#[test]
fn the_token_whose_login_the_secret_may_have_is_recorded() {
    let next = RecordedArgoCDRepository { token_id: Some("18".to_owned()), ..synced() };
    let after = |exists, state: &State| record_after(synced(), exists, state, next.clone()).token_id;
    let (rejected, unavailable) = (State::Rejected("no".into()), State::Unavailable("down".into()));
    assert_eq!(after(true, &State::Synced).as_deref(), Some("18"));
    for state in [&rejected, &unavailable, &State::Pending, &State::Contended] {
        assert_eq!(after(true, state).as_deref(), Some("17"), "{state:?}: it still has the former login");
    }
    assert_eq!(after(false, &rejected), None, "there is no Secret");
    assert_eq!(after(false, &unavailable).as_deref(), Some("18"), "it may have been created");
    for state in [State::NotServed, State::Foreign(None)] {
        assert_eq!(after(true, &state), None, "{state:?}: no Secret of this object has a login");
    }
    for state in [rejected, unavailable, State::Contended, State::Foreign(None)] {
        let record = record_after(synced(), true, &state, next.clone());
        assert_eq!((record.name.as_str(), record.resource_version), ("pull-argocd", None), "it is read again");
    }
}

#[test]
fn there_is_a_condition_only_while_there_is_a_problem() {
    let wanted = desired("r.example/charts");
    let told = |state: &State| report(Some(synced()), Some(&wanted), state);
    let good = told(&State::Synced);
    assert_eq!((good.record, good.problem, good.retry_after), (Some(synced()), None, None));
    for (state, reason, words) in [
        (State::Pending, Reason::ArgoCDRepositoryPending, "once the pull secret stores the current token"),
        (State::NotServed, Reason::ArgoCDRepositoryNotServed, "\"r.example/charts\""),
        (State::Foreign(None), Reason::SecretNotOwned, "\"pull-argocd\" does not belong to this object"),
        (
            State::Foreign(Some("the RegistryToken \"a\"".into())),
            Reason::SecretNotOwned,
            "belongs to the RegistryToken",
        ),
        (State::Rejected("quota".into()), Reason::SecretRejected, "cannot be written: quota"),
        (State::Unavailable("down".into()), Reason::APIServerUnavailable, "cannot be written: down"),
        (State::Contended, Reason::APIServerUnavailable, "it will be written"),
    ] {
        let (found, message) = told(&state).problem.expect("a problem");
        assert!(found == reason && message.contains(words), "{state:?}: {found} {message}");
    }
    let removal = report(Some(synced()), None, &State::Rejected("no".into()));
    let (_, message) = removal.problem.expect("a problem");
    assert!(message.contains("\"pull-argocd\" for Argo CD cannot be deleted: no"), "{message}");
    assert!(removal.retry_after.is_some() && removal.record.is_some(), "it is tried again");
}
