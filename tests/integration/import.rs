//! A token that a person requested is taken over from a Secret with the annotation `adopt`, or the object says why not.

use crate::control_plane::eventually;
use crate::fake_portal::{Challenge, Config, Operation, Server, Token};
use crate::fixture::{LIMIT, Team, issuer_spec, ready, token, until_gone};
use crate::helpers::{current, current_id, unique_value};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A team whose portal has ids that no other portal has. The port of a portal may be that of an earlier test's portal, whose
/// objects still exist: then they would have the token that is to be imported.
async fn team_with_own_ids(name: &str, config: Config) -> Team {
    static NEXT: AtomicI64 = AtomicI64::new(1_000_000);
    let team = Team::with(name, config).await;
    team.portal.ledger().begin_with(NEXT.fetch_add(1000, Ordering::Relaxed));
    team
}

/// Creates the Secret that a person would have created with `kubectl create secret docker-registry`.
async fn create_by_hand(team: &Team, name: &str, host: &str, (username, password): (&str, &str)) -> Secret {
    let content = json!({"auths": {host: {"username": username, "password": password}}}).to_string();
    let secret = serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"team": "a"}},
        "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": content},
    }));
    team.secrets().create(&PostParams::default(), &secret.expect("a Secret")).await.expect("created")
}

async fn create_for(team: &Team, name: &str, of: &Token) -> Secret {
    create_by_hand(team, name, &team.portal.registry_host(), (&of.username, &of.secret)).await
}

fn importing(name: &str, id: i64) -> Value {
    let mut object = token(name, "taken over");
    object["metadata"]["annotations"] = json!({"registry-token.dev/import": id.to_string()});
    object
}

async fn hand_over(team: &Team, name: &str) {
    team.patch_secret(name, json!({"metadata": {"annotations": {"registry-token.dev/adopt": "true"}}})).await;
    team.annotate(name, "reconcile", &unique_value()).await;
}

/// Waits until the object reports that it cannot import the token, with this text in the message.
async fn until_refused(team: &Team, name: &str, part: &str) {
    eventually(&format!("{name} to report: {part}"), LIMIT, async || {
        let object = team.tokens().get(name).await.map_err(|error| error.to_string())?;
        let (status, reason, message) = ready(&object);
        let is_it = status == "False" && reason == "ImportFailed" && message.contains(part);
        if is_it { Ok(()) } else { Err(format!("Ready={status} {reason}: {message}")) }
    })
    .await;
}

#[tokio::test]
async fn a_token_requested_by_hand_becomes_the_objects_own_without_a_request() {
    let team = team_with_own_ids("import", Config::default()).await;
    let by_hand = team.portal.ledger().add_as_colleague(Some("requested by hand"));
    let created = create_for(&team, "pull", &by_hand).await;
    let mut object = importing("pull", by_hand.id);
    object["metadata"]["annotations"]["registry-token.dev/replace"] = json!("as copied from another object");
    team.apply(object).await;
    until_refused(&team, "pull", "annotate it with registry-token.dev/adopt=true").await;
    let now = team.secrets().get("pull").await.expect("there");
    assert_eq!(created.resource_version(), now.resource_version(), "never touched");
    let asked = team.portal.ledger().requests_since(0);
    assert!(!asked.iter().any(|request| request.server == Server::Registry), "its login is not sent to the registry");
    assert_eq!(team.until_event("pull", "ImportFailed").await.type_.as_deref(), Some("Warning"));

    hand_over(&team, "pull").await;
    let object = team.until_synced("pull").await;
    assert_eq!(current_id(&object), by_hand.id);
    let secret = team.secrets().get("pull").await.expect("there");
    assert_eq!(secret.uid(), created.uid(), "the same Secret");
    assert_eq!(secret.labels().get("team").map(String::as_str), Some("a"));
    let content: Value = serde_json::from_slice(&team.dockerconfigjson("pull").await).expect("JSON");
    let login = &content["auths"][team.portal.registry_host()];
    assert_eq!((&login["username"], &login["password"]), (&json!(by_hand.username), &json!(by_hand.secret)));
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
    let row = team.portal.ledger().token(by_hand.id).expect("listed");
    assert_eq!(row.description.as_deref(), Some("taken over"));
    assert!(!secret.annotations().contains_key("registry-token.dev/adopt"), "requested once");
    team.assert_idle_for("pull", Duration::from_secs(2)).await;
    let ledger = team.portal.ledger();
    assert_eq!((ledger.count(Operation::Request), ledger.count(Operation::Revoke)), (0, 0), "no token is requested");
    assert_eq!(ledger.count(Operation::Edit), 1, "the description, once");

    // From now on it is like any other token.
    team.annotate("pull", "replace", "1").await;
    let object = team.until_replaced("pull", &current(&object)).await;
    team.until_live(&[current_id(&object)]).await;
    team.delete("pull").await;
    team.until_live(&[]).await;
    until_gone(&team.secrets(), "pull").await;
}

#[tokio::test]
async fn what_proves_no_token_is_refused_and_no_token_is_requested() {
    let team = team_with_own_ids("import-refused", Config::default()).await;
    let ledger = team.portal.ledger();
    let [mine, other] = ["mine", "of a colleague"].map(|text| ledger.add_as_colleague(Some(text)));
    let (host, wrong) = (team.portal.registry_host(), "not-the-password");
    create_for(&team, "other-id", &mine).await;
    create_for(&team, "unknown-id", &mine).await;
    create_by_hand(&team, "wrong-password", &host, (&mine.username, wrong)).await;
    create_by_hand(&team, "other-registry", "registry.invalid", (&mine.username, &mine.secret)).await;
    let cases = [
        ("other-id", other.id, "no token with this id and the username"),
        ("unknown-id", 999_999, "no token with this id and the username"),
        ("wrong-password", mine.id, "rejects the login"),
        ("other-registry", mine.id, "registry.invalid, which is none of the issuer's registries"),
        ("absent", mine.id, "there is no Secret of this name"),
    ];
    for (name, id, part) in cases {
        team.apply(importing(name, id)).await;
        if name != "absent" {
            hand_over(&team, name).await;
        }
        until_refused(&team, name, part).await;
    }
    let messages = team.tokens().list(&kube::api::ListParams::default()).await.expect("listed").items;
    let text = serde_json::to_string(&messages).expect("JSON");
    assert!(!text.contains(&other.username), "the username of another id is not revealed");
    assert!(!text.contains(&mine.secret) && !text.contains(wrong));
    assert_eq!((ledger.count(Operation::Request), ledger.count(Operation::Revoke)), (0, 0));
    assert_eq!(ledger.live().len(), 2);

    // Without the annotation the object gets a token of its own, and the Secret of that name is taken over as always.
    let remove = json!({"metadata": {"annotations": {"registry-token.dev/import": null}}});
    team.patch("unknown-id", remove).await;
    team.until_synced("unknown-id").await;
    // An import that failed leaves nothing behind.
    team.delete("wrong-password").await;
    assert!(ledger.token(mine.id).expect("listed").is_live());
}

#[tokio::test]
async fn a_token_that_another_object_holds_is_not_imported() {
    let team = team_with_own_ids("import-held", Config::default()).await;
    team.token("first", "requested").await;
    let first = current_id(&team.until_synced("first").await);
    let held = team.portal.ledger().token(first).expect("listed");
    create_for(&team, "second", &held).await;
    team.apply(importing("second", first)).await;
    hand_over(&team, "second").await;
    until_refused(&team, "second", "another RegistryToken has this token").await;
    // Nor by its username, by which a token is found as well.
    create_for(&team, "by-username", &held).await;
    let mut object = importing("by-username", first);
    object["metadata"]["annotations"]["registry-token.dev/import"] = json!(held.username);
    team.apply(object).await;
    hand_over(&team, "by-username").await;
    until_refused(&team, "by-username", "another RegistryToken has this token").await;

    // Two that import the same token at once: one gets it.
    let by_hand = team.portal.ledger().add_as_colleague(Some("by hand"));
    for name in ["one", "two"] {
        let secret = create_for(&team, name, &by_hand).await;
        let change = json!({"metadata": {"annotations": {"registry-token.dev/adopt": "true"}}});
        team.patch_secret(&secret.name_any(), change).await;
    }
    let both = [importing("one", by_hand.id), importing("two", by_hand.id)];
    futures::future::join_all(both.map(|object| team.apply(object))).await;
    eventually("one of them to have the token, and the other one to say so", LIMIT, async || {
        let mut seen = vec![];
        for name in ["one", "two"] {
            let object = team.tokens().get(name).await.map_err(|error| error.to_string())?;
            seen.push(ready(&object).1);
        }
        seen.sort();
        if seen == ["ImportFailed", "TokenStored"] { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
    // The one without the token is deleted: the token lives.
    let failed = team.tokens().get("one").await.expect("there");
    let (loser, winner) = if ready(&failed).1 == "ImportFailed" { ("one", "two") } else { ("two", "one") };
    team.delete(loser).await;
    team.delete("second").await;
    team.delete("by-username").await;
    team.until_live(&[first, by_hand.id]).await;
    assert_eq!(current_id(&team.until_synced(winner).await), by_hand.id);
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
}

#[tokio::test]
async fn a_registry_that_accepts_every_login_proves_no_token() {
    let config = Config { registry_challenge: Challenge::Anonymous, ..Config::default() };
    let team = team_with_own_ids("import-anonymous", config).await;
    let ledger = team.portal.ledger();
    let by_hand = ledger.add_as_colleague(Some("by hand"));
    let secret = create_by_hand(&team, "pull", &team.portal.registry_host(), (&by_hand.username, "guessed")).await;
    team.apply(importing("pull", by_hand.id)).await;
    hand_over(&team, "pull").await;
    until_refused(&team, "pull", "the registry does not verify logins").await;
    assert_eq!(ledger.token(by_hand.id).expect("listed").description.as_deref(), Some("by hand"));
    let now = team.secrets().get("pull").await.expect("there");
    assert_eq!(now.data, secret.data);
    assert!(now.owner_references().is_empty() && now.labels().len() == 1, "only its user wrote it");
    assert_eq!(ledger.count(Operation::Request), 0);
}

#[tokio::test]
async fn a_secret_with_other_logins_is_left_as_it_is() {
    let team = team_with_own_ids("import-logins", Config::default()).await;
    let by_hand = team.portal.ledger().add_as_colleague(Some("by hand"));
    let created = create_for(&team, "pull", &by_hand).await;
    let login = |username: &str, password: &str| json!({"username": username, "password": password});
    let ours = login(&by_hand.username, &by_hand.secret);
    let both = json!({"auths": {team.portal.registry_host(): ours, "docker.io": login("me", "another-password")}});
    team.patch_secret("pull", json!({"stringData": {".dockerconfigjson": both.to_string()}})).await;
    team.apply(importing("pull", by_hand.id)).await;
    hand_over(&team, "pull").await;
    until_refused(&team, "pull", "docker.io, which is none of the issuer's registries").await;
    assert_eq!(team.dockerconfigjson("pull").await, both.to_string().into_bytes());
    assert_eq!(team.secrets().get("pull").await.expect("there").uid(), created.uid());
    let asked = team.portal.ledger().requests_since(0);
    assert!(!asked.iter().any(|request| request.server == Server::Registry));
    let object = team.tokens().get("pull").await.expect("there");
    let text = serde_json::to_string(&object).expect("JSON");
    assert!(!text.contains("another-password") && !text.contains(&by_hand.secret));
}

#[tokio::test]
async fn a_restored_copy_gets_a_token_of_its_own() {
    let team = team_with_own_ids("import-restored", Config::default()).await;
    let by_hand = team.portal.ledger().add_as_colleague(Some("by hand"));
    create_for(&team, "pull", &by_hand).await;
    team.apply(importing("pull", by_hand.id)).await;
    hand_over(&team, "pull").await;
    team.until_synced("pull").await;

    // A backup is restored into another namespace with an issuer of the same portal: without owner references, with another UID.
    let copy = Team::bare(team.control_plane, "import-copy", Config::default()).await;
    copy.credentials("portal-password").await;
    let spec = issuer_spec(&team.portal);
    copy.apply(json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer", "metadata": {"name": "portal"}, "spec": spec,
    }))
    .await;
    let original = team.secrets().get("pull").await.expect("there");
    let mut secret = Secret { data: original.data.clone(), type_: original.type_.clone(), ..Secret::default() };
    secret.metadata.name = Some("pull".to_owned());
    (secret.metadata.labels, secret.metadata.annotations) =
        (original.metadata.labels.clone(), original.metadata.annotations.clone());
    copy.secrets().create(&PostParams::default(), &secret).await.expect("restored");
    // An object of the second in which the keys were created counts as older than them.
    let created = team.tokens().get("pull").await.expect("there").creation_timestamp().expect("set").0;
    eventually("a later second than that of the keys", LIMIT, async || {
        let is_later = jiff::Timestamp::now().as_second() > created.as_second();
        if is_later { Ok(()) } else { Err("the same".to_owned()) }
    })
    .await;
    copy.apply(importing("pull", by_hand.id)).await;
    let restored = copy.until_synced("pull").await;
    assert_ne!(current_id(&restored), by_hand.id);
    copy.delete("pull").await;
    team.until_live(&[by_hand.id]).await;
    assert_eq!(current_id(&team.until_synced("pull").await), by_hand.id);
}
