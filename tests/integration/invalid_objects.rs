//! Objects that the API server accepts and that a parser may reject delay no other object, no restart and no deletion
//! of an issuer.

use crate::control_plane::{ControlPlane, eventually};
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, own_control_plane, start_operator, token, until_gone};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, Request};
use kube::{Api, Client, Resource};
use registry_token_operator::api::{ClusterTokenIssuer, RegistryToken, TokenIssuer};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Sends a merge patch without parsing the response.
async fn patch<K: Resource<DynamicType = ()>>(
    client: &Client,
    namespace: Option<&str>,
    name: &str,
    body: Value,
) -> String {
    let request = Request::new(K::url_path(&(), namespace));
    let request = request.patch(name, &PatchParams::default(), &Patch::Merge(body)).expect("a request");
    client.request_text(request).await.expect("patched")
}

/// Writes managed fields that are nested deeper than parsers allow, with a timestamp that few parsers accept.
async fn write_unparsable_fields<K: Resource<DynamicType = ()>>(client: &Client, namespace: Option<&str>, name: &str) {
    let deep = (0..300).fold(json!({}), |inner, _| json!({"f:a": inner}));
    let managed = json!([{
        "manager": "odd", "operation": "Update", "apiVersion": K::api_version(&()), "time": "9999-12-31T23:59:59Z",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:annotations": deep}},
    }]);
    let answer = patch::<K>(client, namespace, name, json!({"metadata": {"managedFields": managed}})).await;
    assert!(answer.matches("f:a\":").count() >= 300 && answer.contains("9999-12-31"), "{answer}");
}

/// A timestamp that the API server accepts and few parsers do.
const FAR_FUTURE: &str = "9999-12-31T23:59:59Z";

/// Merge-patches the status of an object.
async fn patch_status<K: Resource<DynamicType = ()>>(
    client: &Client,
    namespace: Option<&str>,
    name: &str,
    status: Value,
) {
    let request = Request::new(K::url_path(&(), namespace));
    let body = Patch::Merge(json!({"status": status}));
    let request = request.patch_subresource("status", name, &PatchParams::default(), &body).expect("a request");
    client.request_text(request).await.expect("patched");
}

/// How long each of five objects takes, one after the other.
async fn served(team: &Team, name: &str) -> Vec<Duration> {
    let mut took = vec![];
    for round in 0..5 {
        let (name, begun) = (format!("{name}-{round}"), Instant::now());
        team.token(&name, "not delayed").await;
        team.until_synced(&name).await;
        took.push(begun.elapsed());
    }
    took.sort();
    took
}

/// A cluster issuer for this team's portal.
async fn cluster_issuer(control_plane: &ControlPlane, team: &Team, name: &str) {
    let namespace = "registry-token-operator";
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portal", "namespace": namespace},
        "stringData": {"username": "k8s", "password": "portal-password"},
    });
    let issuer = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "ClusterTokenIssuer", "metadata": {"name": name},
        "spec": team.issuer_spec(json!({})),
    });
    for object in [secret, issuer] {
        control_plane.apply(&object.to_string()).await.expect("applied");
    }
}

#[tokio::test]
async fn invalid_objects_delay_no_other_object_no_restart_and_no_deletion_of_an_issuer() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "poisoned", Config::default(), json!({})).await;
    cluster_issuer(control_plane, &team, "shared").await;
    team.token("pull", "poisoned").await;
    let mut shared = token("via", "of the cluster issuer");
    shared["spec"]["issuerRef"] = json!({"kind": "ClusterTokenIssuer", "name": "shared"});
    team.apply(shared).await;
    team.until_synced("pull").await;
    team.until_synced("via").await;
    let mut far = token("far", "its status has an invalid time");
    far["spec"]["suspend"] = json!(true);
    team.apply(far).await;
    team.until("far", "False", "Suspended").await;

    let (client, namespace) = (&team.client, Some(team.namespace.as_str()));
    let other = Team::on(control_plane, "served", Config::default(), json!({})).await;
    let invalid_writes = async || {
        for round in 0..100 {
            let note = || json!({"metadata": {"annotations": {"note": round.to_string()}}});
            patch::<RegistryToken>(client, namespace, "pull", note()).await;
            patch::<RegistryToken>(client, namespace, "far", note()).await;
            patch::<Secret>(client, namespace, "pull", note()).await;
            patch::<TokenIssuer>(client, namespace, "portal", note()).await;
            patch::<ClusterTokenIssuer>(client, None, "shared", note()).await;
        }
    };
    // The same work without invalid objects: the time that it takes on this machine.
    let ((), calm) = tokio::join!(invalid_writes(), served(&other, "calm"));
    write_unparsable_fields::<RegistryToken>(client, namespace, "pull").await;
    write_unparsable_fields::<Secret>(client, namespace, "pull").await;
    write_unparsable_fields::<Secret>(client, namespace, "portal").await;
    write_unparsable_fields::<TokenIssuer>(client, namespace, "portal").await;
    write_unparsable_fields::<ClusterTokenIssuer>(client, None, "shared").await;
    patch_status::<RegistryToken>(client, namespace, "far", json!({"nextRotationTime": FAR_FUTURE})).await;

    let ((), took) = tokio::join!(invalid_writes(), served(&other, "pull"));
    // The allowed second is added to the time of the same work before: on a machine with two processors that runs other
    // tests too, each object takes longer than a second anyway. The median shows the cost of the invalid objects. A
    // watch that treats an invalid object as its own failure pauses for up to half a minute, and no single object may
    // wait that long.
    assert!(took[2] < calm[2] + Duration::from_secs(1), "{took:?}, and before {calm:?}");
    assert!(took[4] < calm[4] + Duration::from_secs(5), "{took:?}, and before {calm:?}");
    let message = team.until_event("far", "InvalidObject").await.message.unwrap_or_default();
    assert!(message.contains("status.nextRotationTime") && message.contains("writes the status again"), "{message}");
    let log = operator.log();
    let reports = log.lines().filter(|line| line.contains("\"invalid object\"")).count();
    assert!((1..=3).contains(&reports), "{reports} reports");
    team.until("far", "False", "Suspended").await;
    eventually("the status to be repaired", LIMIT, async || {
        let metrics = operator.metrics().await;
        let repaired = metrics.contains("invalid_objects{kind=\"RegistryToken\"} 0\n");
        if repaired { Ok(()) } else { Err(metrics) }
    })
    .await;
    let metrics = operator.metrics().await;
    assert!(metrics.contains("watch_last_event_timestamp_seconds{kind=\"Secret\"} "), "{metrics}");
    assert!(metrics.contains("watch_failures_total{kind=\"RegistryToken\"} 0\n"), "{metrics}");

    // The invalid ones are reconciled like any other.
    patch::<RegistryToken>(client, namespace, "pull", json!({"spec": {"description": "edited"}})).await;
    eventually("the description of the invalid object to be edited", LIMIT, async || {
        let live = team.portal.ledger().live();
        let edited = live.iter().any(|token| token.description.as_deref() == Some("edited"));
        if edited { Ok(()) } else { Err(format!("{live:?}")) }
    })
    .await;

    operator.terminate().await;
    patch_status::<RegistryToken>(client, namespace, "via", json!({"token": {"requestTime": FAR_FUTURE}})).await;
    patch_status::<RegistryToken>(client, namespace, "far", json!({"nextRotationTime": FAR_FUTURE})).await;
    let begun = Instant::now();
    let operator = start_operator(control_plane).await;
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    other.token("late", "after a restart").await;
    other.until_synced("late").await;
    let delete = async |arguments: &[&str]| {
        let all = [&["delete", "--timeout=60s"], arguments].concat();
        control_plane.kubectl_ok(&all, None).await.expect("deleted");
    };
    delete(&["registrytoken", "via", "-n", &team.namespace]).await;
    delete(&["clustertokenissuer", "shared"]).await;
    delete(&["registrytoken", "pull", "-n", &team.namespace]).await;
    delete(&["registrytoken", "far", "-n", &team.namespace]).await;
    delete(&["tokenissuer", "portal", "-n", &team.namespace]).await;
    assert_eq!(team.portal.ledger().live().len(), 0);
    drop(operator);
}

/// Waits until a new object is certainly newer than the MAC keys. Times are stored in seconds, so an object of the same
/// second counts as older, and a token in its status may then have been signed with a lost key.
async fn until_keys_are_older(client: &Client) {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "registry-token-operator");
    eventually("the MAC keys to be older than two seconds", LIMIT, async || {
        let secret = secrets.get("registry-token-operator-mac").await.map_err(|error| error.to_string())?;
        let created = secret.metadata.creation_timestamp.ok_or("it has no creation time")?;
        let age = jiff::Timestamp::now().duration_since(created.0);
        if age.as_secs() > 2 { Ok(()) } else { Err(format!("{age:?}")) }
    })
    .await;
}

#[tokio::test]
async fn objects_with_an_invalid_status_are_deleted_with_their_tokens_and_then_their_issuer() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "spoilt", Config::default(), json!({})).await;
    cluster_issuer(control_plane, &team, "shared").await;
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "TokenStored", "message": "", "lastTransitionTime": FAR_FUTURE,
    });
    let cases = [
        ("condition", json!({"conditions": [condition]})),
        ("token", json!({"token": {"requestTime": FAR_FUTURE, "expirationTime": FAR_FUTURE}})),
        ("retiring", json!({"retiring": [{"id": "x", "username": "y", "revocationTime": FAR_FUTURE}]})),
        ("rotation", json!({"nextRotationTime": FAR_FUTURE})),
        ("revocation", json!({"upstreamRevocation": {"time": FAR_FUTURE, "again": false}})),
        ("large", json!({"handledAnnotations": {"note": "x".repeat(70_000)}})),
    ];
    until_keys_are_older(&team.client).await;
    for (name, _) in &cases {
        let mut object = token(name, "its status is invalid");
        object["spec"]["issuerRef"] = json!({"kind": "ClusterTokenIssuer", "name": "shared"});
        team.apply(object).await;
    }
    for (name, _) in &cases {
        team.until_synced(name).await;
    }
    // A running operator would repair them before they are deleted.
    operator.terminate().await;
    let (client, namespace) = (&team.client, Some(team.namespace.as_str()));
    for (name, status) in &cases {
        patch_status::<RegistryToken>(client, namespace, name, status.clone()).await;
    }
    patch_status::<ClusterTokenIssuer>(
        client,
        None,
        "shared",
        json!({"lastAuditTime": FAR_FUTURE, "conditions": [condition]}),
    )
    .await;
    let delete = async |path: String, name: &str| {
        let request = Request::new(path).delete(name, &DeleteParams::default()).expect("a request");
        client.request_text(request).await.expect("deleted");
    };
    let tokens = RegistryToken::url_path(&(), namespace);
    for (name, _) in cases.iter().filter(|(name, _)| *name != "token") {
        delete(tokens.clone(), name).await;
    }
    delete(ClusterTokenIssuer::url_path(&(), None), "shared").await;
    let operator = start_operator(control_plane).await;
    // One of them remains: it is reported, and repaired.
    team.until_event("token", "InvalidObject").await;
    team.until("token", "True", "TokenStored").await;
    assert_eq!(team.portal.ledger().all().len(), cases.len(), "nothing is requested again");
    delete(tokens, "token").await;
    for (name, _) in &cases {
        until_gone(&team.tokens(), name).await;
    }
    let issuers: Api<ClusterTokenIssuer> = Api::all(team.client.clone());
    assert_eq!(team.portal.ledger().live().len(), 0, "every token is revoked");
    until_gone(&issuers, "shared").await;
    drop(operator);
}
