//! Pods on a real node: a kubelet and containerd pull from a real registry, whose users follow the portal's ledger. Run it
//! with `make test-node`, which needs root and builds what the node consists of.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::too_many_lines,
    dead_code,
    unused_imports,
    reason = "a test stops at the first failure, and lists its steps in order; the shared helpers are used in part"
)]

#[path = "../support/control_plane/mod.rs"]
mod control_plane;
#[path = "../support/fake_portal/mod.rs"]
mod fake_portal;
#[path = "../support/fixture.rs"]
mod fixture;
#[path = "../integration/helpers.rs"]
mod helpers;
mod image;
mod machine;
#[path = "../support/operator_process/mod.rs"]
mod operator_process;
mod pods;
mod programs;
#[path = "../support/oci_client/mod.rs"]
mod pull;
mod registry;

use control_plane::{ControlPlane, Options, eventually};
use fake_portal::Config;
use fixture::{LIMIT, Team, start_operator, token};
use helpers::{current, current_id};
use machine::Node;
use operator_process::install;
use registry::Registry;
use serde_json::json;
use std::time::Duration;

/// The team's registry is a real one instead of the portal's.
async fn team_of(control_plane: &'static ControlPlane, registry: &Registry, portal: fake_portal::FakePortal) -> Team {
    let namespace = control_plane.namespace("pods").await.expect("a namespace");
    let client = control_plane.client().await.expect("a client");
    let team = Team { control_plane, namespace, portal, client };
    team.credentials("portal-password").await;
    team.issuer(json!({"registries": [{"host": registry.host(), "tls": {"caBundle": registry.ca_pem()}}]})).await;
    team
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_pull_with_the_secret_while_its_token_lives_and_not_without_it() {
    let control_plane = ControlPlane::start_for_test(Options::default()).await.expect("starts");
    install(control_plane).await.expect("installed");
    let _operator = start_operator(control_plane).await;
    let portal = fake_portal::FakePortal::start(Config::default()).await;
    let registry = Registry::start(portal.ledger()).await;
    let image = registry.push_image().await;
    let node = Node::start(control_plane, &registry).await;
    let team = team_of(control_plane, &registry, portal).await;
    let pods = pods::Pods::of(&team, &image);

    // The first pod may be there before its Secret: the kubelet tries again.
    pods.create("early", Some("pull")).await;
    pods.create("anonymous", None).await;
    pods.until_failing("early").await;
    pods.until_failing("anonymous").await;
    let mut object = token("pull", "for pods");
    object["spec"]["rotation"] = json!({"interval": "24h", "overlap": "45s"});
    team.apply(object).await;
    let first = team.until_synced("pull").await;
    println!("the pod that was there first: Running {:.1} s after its Secret", pods.until_running("early").await);
    pods.create("with-secret", Some("pull")).await;
    println!("a pod with the Secret: Running after {:.1} s", pods.until_running("with-secret").await);

    // Both at once, as GitOps tools create them.
    team.token("at-once", "for a pod that is created with it").await;
    pods.create("at-once", Some("at-once")).await;
    println!("a pod created at once with its object: Running after {:.1} s", pods.until_running("at-once").await);
    team.delete("at-once").await;

    // The content before the rotation, in a Secret of its own.
    let old = team.dockerconfigjson("pull").await;
    pods.copy_secret("old", &old).await;
    team.annotate("pull", "rotate", "1").await;
    let rotated = team.until_replaced("pull", &current(&first)).await;
    for (pod, secret) in [("overlap-old", "old"), ("overlap-new", "pull")] {
        pods.create(pod, Some(secret)).await;
        pods.until_running(pod).await;
    }
    let live = team.portal.ledger().token(current_id(&first)).expect("known").is_live();
    assert!(live, "both pulled during the overlap");

    team.until_live(&[current_id(&rotated)]).await;
    registry.until_rejected(&old).await;
    pods.create("after-overlap-old", Some("old")).await;
    pods.create("after-overlap-new", Some("pull")).await;
    pods.until_running("after-overlap-new").await;
    pods.until_failing("after-overlap-old").await;

    // A colleague revokes the token: the pods fail until the operator has replaced it.
    let revoked = team.dockerconfigjson("pull").await;
    assert!(team.portal.ledger().revoke_as_colleague(current_id(&rotated)));
    registry.until_rejected(&revoked).await;
    pods.create("after-revocation", Some("pull")).await;
    pods.until_failing("after-revocation").await;
    team.audit_until("the revoked token to be replaced", async || {
        let live = team.portal.ledger().live().len();
        if live == 1 { Ok(()) } else { Err(format!("{live} live tokens")) }
    })
    .await;
    println!(
        "after a revocation: Running {:.1} s after the token was replaced",
        pods.until_running("after-revocation").await
    );

    // The object goes, and with it the token.
    let last = team.dockerconfigjson("pull").await;
    pods.copy_secret("last", &last).await;
    team.delete("pull").await;
    registry.until_rejected(&last).await;
    pods.create("after-deletion", Some("last")).await;
    pods.until_failing("after-deletion").await;
    pods.until_failing("anonymous").await;
    assert!(team.portal.ledger().live().is_empty());

    pods.delete_all().await;
    drop(node);
}
