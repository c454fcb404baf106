//! The operator is killed again and again while objects come and go. By Gitea's own list, no token is leaked, and none is
//! lost.

use crate::control_plane::{ControlPlane, Options, eventually};
use crate::fixture::{binary, token};
use crate::helpers::unique_value;
use crate::operator_process::{self, Operator, install};
use crate::stage::Stage;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams};
use registry_token_operator::api::TOKEN_ID_ANNOTATION;
use serde_json::json;
use std::time::{Duration, Instant};

/// An audit revokes a token that nothing records only when no late response can be under way any more.
const QUIESCE_LIMIT: Duration = Duration::from_mins(5);
/// The objects that come and go.
const OBJECTS: u64 = 6;

/// Numbers that look random, and are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Creates, rotates, replaces or deletes one object.
async fn change(stage: &Stage, random: &mut Random) {
    let team = &stage.team;
    let name = format!("pull-{}", random.below(OBJECTS));
    let exists =
        team.tokens().get_opt(&name).await.expect("read").is_some_and(|one| one.metadata.deletion_timestamp.is_none());
    match (exists, random.below(4)) {
        (false, _) => {
            let mut object = token(&name, "comes and goes");
            object["spec"]["rotation"] = json!({"interval": "24h", "overlap": "2s"});
            team.apply(object).await;
        }
        (true, 0) => drop(team.tokens().delete(&name, &DeleteParams::default()).await),
        (true, 1) => drop(team.secrets().delete(&name, &DeleteParams::default()).await),
        (true, 2) => team.annotate(&name, "replace", &unique_value()).await,
        (true, _) => team.annotate(&name, "rotate", &unique_value()).await,
    }
}

/// Requests audits until each object has one token at rest, which its Secret stores, and Gitea has exactly these; returns
/// their ids.
async fn until_quiet(stage: &Stage) -> Vec<i64> {
    let mut next = Instant::now();
    eventually("each token of Gitea to be that of one object", QUIESCE_LIMIT, async || {
        if next <= Instant::now() {
            stage.team.annotate_issuer("reconcile", &unique_value()).await;
            next = Instant::now() + Duration::from_secs(5);
        }
        let objects = stage.team.tokens().list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let mut expected = vec![];
        for object in &objects {
            let status = object.status.as_ref().filter(|status| status.retiring.is_empty());
            let token = status.and_then(|status| status.token.as_ref());
            let token = token.ok_or_else(|| format!("{} is not at rest", object.name_any()))?;
            // A Secret may have been deleted right before a kill: then the status is that of before.
            let secret = stage.team.secrets().get_opt(&object.name_any()).await.map_err(|error| error.to_string())?;
            let stored = secret.and_then(|secret| secret.annotations().get(TOKEN_ID_ANNOTATION).cloned());
            if stored.as_ref() != Some(&token.id) {
                return Err(format!("the Secret of {} stores {stored:?}, not {}", object.name_any(), token.id));
            }
            expected.push(token.id.parse::<i64>().expect("a number"));
        }
        expected.sort_unstable();
        let live: Vec<i64> = stage.live().await.iter().map(|token| token.id).collect();
        if live == expected { Ok(expected) } else { Err(format!("live: {live:?}, of objects: {expected:?}")) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_killed_leaks_and_loses_no_token_of_gitea() {
    let kills: u64 = std::env::var("KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(20);
    let control_plane = ControlPlane::start_for_test(Options::default()).await.expect("starts");
    install(control_plane).await.expect("installed");
    let stage = Stage::new(control_plane, "kills").await;
    let kubeconfig = operator_process::kubeconfig(control_plane).await.expect("a kubeconfig");
    let options = operator_process::Options::default();
    let start = || Operator::start(binary(), &kubeconfig, &options);

    let mut random = Random(21);
    let mut newest = 0;
    for _ in 0..kills {
        let operator = start().await.expect("the operator starts");
        for _ in 0..=random.below(4) {
            change(&stage, &mut random).await;
            tokio::time::sleep(Duration::from_millis(random.below(250))).await;
        }
        let log = operator.kill();
        assert!(!log.contains("panicked"), "{log}");
        newest = stage.live().await.iter().map(|token| token.id).max().unwrap_or(newest).max(newest);
    }

    let _operator = start().await.expect("the operator starts");
    let expected = until_quiet(&stage).await;
    println!("{kills} kills, tokens up to id {newest}, 0 leaked, 0 lost, {} objects left", expected.len());

    // Each object's Secret pulls, and nothing stays when the objects are deleted.
    for object in stage.team.tokens().list(&ListParams::default()).await.expect("listed") {
        stage.assert_pulls(&stage.team.dockerconfigjson(&object.name_any()).await).await;
        stage.team.delete(&object.name_any()).await;
    }
    stage.until_live(&[]).await;
}
