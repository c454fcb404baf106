//! Many objects at once.

use crate::control_plane::eventually;
use crate::fake_portal::{Config, Fault, Operation};
use crate::fixture::{LIMIT, Team, stage, token};
use crate::helpers::unique_value;
use futures::future::join_all;
use kube::api::{ListParams, PostParams};
use registry_token_operator::api::RegistryToken;
use serde_json::json;
use std::time::Duration;

/// The operator adds its finalizer to an issuer at its first use; objects that are created meanwhile are all
/// reconciled.
#[tokio::test]
async fn objects_created_during_the_first_use_of_their_issuer_each_get_one_token() {
    const OBJECTS: usize = 60;
    let team = Team::bare(stage(), "burst", Config { latency: Duration::from_millis(20), ..Config::default() }).await;
    team.credentials("portal-password").await;
    team.issuer(json!({})).await;
    let created = (0..OBJECTS).map(|index| {
        let (team, name) = (&team, format!("pull-{index}"));
        async move {
            // Spread over the time in which the issuer is read, gets its finalizer and its status.
            tokio::time::sleep(Duration::from_millis(u64::try_from(index).unwrap_or_default() * 5)).await;
            let object: RegistryToken = serde_json::from_value(token(&name, "one of many")).expect("an object");
            team.tokens().create(&PostParams::default(), &object).await.expect("created");
        }
    });
    join_all(created).await;
    eventually("every object to be ready", LIMIT, async || {
        let all = team.tokens().list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let waiting: Vec<_> = all.items.iter().filter(|object| crate::fixture::ready(object).0 != "True").collect();
        let names: Vec<_> = waiting.iter().filter_map(|object| object.metadata.name.as_deref()).collect();
        if all.items.len() == OBJECTS && names.is_empty() { Ok(()) } else { Err(format!("{names:?} wait")) }
    })
    .await;
    assert_eq!(team.portal.ledger().count(Operation::Request), OBJECTS, "one token per object");
    assert_eq!(team.portal.ledger().live().len(), OBJECTS);
}

/// An object that waits for a slot begins again with what it has read when it gets one.
#[tokio::test]
async fn a_reconcile_request_is_not_forgotten_while_its_object_waits_for_others() {
    let team = Team::bare(stage(), "busy", Config::default()).await;
    team.credentials("portal-password").await;
    team.issuer(json!({"limits": {"concurrency": 1}})).await;
    team.portal.faults().once(Operation::Request, Fault::Refuse("description_not_allowed".to_owned()));
    team.token("pull", "is rejected once").await;
    team.until_condition("pull", "Stalled", "True", "RequestRejected").await;
    let before = team.portal.ledger().count(Operation::Request);
    // The portal takes one of them a second, and the issuer prepares six.
    team.portal.faults().always(Operation::Request, Fault::DelayAfter(1));
    for index in 0..12 {
        team.token(&format!("busy-{index}"), "keeps the portal busy").await;
    }
    eventually("the second of them to be requested", LIMIT, async || {
        let requests = team.portal.ledger().count(Operation::Request);
        if requests >= before + 2 { Ok(()) } else { Err(requests.to_string()) }
    })
    .await;
    team.annotate("pull", "reconcile", &unique_value()).await;
    team.until_synced("pull").await;
}
