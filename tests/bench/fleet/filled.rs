//! Waits until Secrets are filled.

use super::LIMIT;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use registry_token_operator::api::{OWNER_LABEL, STORED_ANNOTATION};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// Whether the operator has stored a token in the Secret.
pub fn is_stored(secret: &PartialObjectMeta<Secret>) -> bool {
    secret.annotations().contains_key(STORED_ANNOTATION)
}

/// Waits until this many of the wanted Secrets have a token of the operator.
pub async fn wait_stored(
    secrets: Api<PartialObjectMeta<Secret>>,
    wanted: impl Fn(&PartialObjectMeta<Secret>) -> bool,
    count: usize,
) {
    let labeled = watcher::Config::default().labels(OWNER_LABEL);
    wait_filled(secrets, labeled, |secret| is_stored(secret) && wanted(secret), count).await;
}

/// Waits until this many of these Secrets are filled.
pub async fn wait_filled(
    secrets: Api<PartialObjectMeta<Secret>>,
    which: watcher::Config,
    is_filled: impl Fn(&PartialObjectMeta<Secret>) -> bool,
    count: usize,
) {
    let mut events = watcher(secrets, which).applied_objects().boxed();
    let mut filled = HashSet::new();
    let (begun, mut reported_at) = (Instant::now(), Instant::now());
    while filled.len() < count {
        let left = LIMIT.saturating_sub(begun.elapsed());
        let event = tokio::time::timeout(left, events.try_next()).await;
        assert!(event.is_ok(), "waited {LIMIT:?} for {count} filled Secrets, got {}", filled.len());
        let Ok(Ok(Some(secret))) = event else { continue };
        if is_filled(&secret) {
            filled.insert((secret.namespace(), secret.name_any()));
        }
        if reported_at.elapsed() > Duration::from_secs(2) {
            reported_at = Instant::now();
            eprintln!("bench: {} of {count} Secrets after {:.0} s", filled.len(), begun.elapsed().as_secs_f32());
        }
    }
}
