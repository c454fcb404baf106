//! Objects that are created one at a time, and with a finalizer.

use super::filled::{is_stored, wait_filled};
use super::{Fleet, LIMIT};
use crate::operator_process;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use registry_token_operator::api::OWNER_LABEL;
use std::collections::HashMap;
use std::time::{Duration, Instant};

impl Fleet {
    /// From the creation of one object to its filled Secret.
    pub async fn first_token(&self, index: usize) -> Duration {
        let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(self.client.clone(), &self.namespace);
        let named = watcher::Config::default().fields(&format!("metadata.name=pull-{index}"));
        let begun = Instant::now();
        self.create(index).await;
        wait_filled(secrets, named, is_stored, 1).await;
        begun.elapsed()
    }

    /// Creates objects, one every 200 ms. Returns the time to the Secret of each, in milliseconds.
    pub async fn create_one_by_one(&self, objects: usize) -> Vec<f64> {
        let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut events = watcher(secrets, watcher::Config::default().labels(OWNER_LABEL)).applied_objects().boxed();
        let filled = async {
            let mut filled = HashMap::new();
            while filled.len() < objects {
                let event =
                    tokio::time::timeout(LIMIT, events.try_next()).await.expect("every Secret is filled in time");
                let Ok(Some(secret)) = event else { continue };
                if is_stored(&secret) {
                    filled.entry(secret.name_any()).or_insert_with(Instant::now);
                }
            }
            filled
        };
        let create = async {
            let mut created = vec![];
            for index in 0..objects {
                created.push(Instant::now());
                self.create(index).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            created
        };
        let (created, filled) = tokio::join!(create, filled);
        let time = |(index, created): (usize, Instant)| {
            let filled = filled.get(&format!("pull-{index}")).expect("it was waited for");
            filled.duration_since(created).as_secs_f64() * 1e3
        };
        created.into_iter().enumerate().map(time).collect()
    }

    /// From now on, objects are created with the finalizer, by the admission policy.
    pub async fn create_with_finalizer(&self) {
        operator_process::create_with_finalizer(&self.control_plane, &self.namespace).await.expect("in force");
    }
}
