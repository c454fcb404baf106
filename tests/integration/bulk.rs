//! Many objects at once.

use crate::control_plane::eventually;
use crate::fake_portal::{Config, Operation};
use crate::fixture::{LIMIT, Team, stage, token};
use futures::future::join_all;
use kube::api::{ListParams, PostParams};
use registry_token_operator::api::RegistryToken;
use serde_json::json;
use std::time::Duration;

/// An issuer is held by our finalizer at its first use; nobody who comes meanwhile is forgotten.
#[tokio::test]
async fn objects_that_come_while_their_issuer_is_taken_into_use_are_all_served_once() {
    const OBJECTS: usize = 60;
    let team = Team::bare(stage(), "burst", Config { latency: Duration::from_millis(20), ..Config::default() }).await;
    team.credentials("portal-password").await;
    team.issuer(json!({})).await;
    let created = (0..OBJECTS).map(|index| {
        let (team, name) = (&team, format!("pull-{index}"));
        async move {
            // Spread over the moments in which the issuer is looked at, noted and written.
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
    assert_eq!(team.portal.ledger().count(Operation::Request), OBJECTS, "one token an object");
    assert_eq!(team.portal.ledger().live().len(), OBJECTS);
}
