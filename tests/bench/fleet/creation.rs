//! Objects that are created one at a time, and with a finalizer.

use super::{Fleet, LIMIT};
use crate::control_plane::wait_for;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use registry_token_operator::api::{FINALIZER, OWNER_LABEL, STORED_ANNOTATION};
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

impl Fleet {
    /// From the creation of one object to its filled Secret.
    pub async fn first_token(&self, index: usize) -> Duration {
        let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(self.client.clone(), &self.namespace);
        let named = watcher::Config::default().fields(&format!("metadata.name=pull-{index}"));
        let mut events = watcher(secrets, named).applied_objects().boxed();
        let begun = Instant::now();
        self.create(index).await;
        loop {
            let left = LIMIT.saturating_sub(begun.elapsed());
            let event = tokio::time::timeout(left, events.try_next()).await.expect("the Secret is filled in time");
            let Ok(Some(secret)) = event else { continue };
            if secret.annotations().contains_key(STORED_ANNOTATION) {
                return begun.elapsed();
            }
        }
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
                if secret.annotations().contains_key(STORED_ANNOTATION) {
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
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/policies/created").display().to_string();
        let policy = self.control_plane.kubectl_ok(&["kustomize", &folder], None).await.expect("built");
        self.control_plane.apply(&policy).await.expect("applied");
        wait_for("the policy to be in force", Duration::from_mins(1), async || {
            let object = self.object("probe", "portal");
            let params = kube::api::PostParams { dry_run: true, ..kube::api::PostParams::default() };
            let created = self.tokens().create(&params, &object).await.map_err(|error| error.to_string())?;
            let protected = created.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
            if protected { Ok(()) } else { Err("not yet".to_owned()) }
        })
        .await
        .expect("in force");
    }
}
