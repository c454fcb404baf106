//! The operations of users meanwhile: they create, edit, rotate and delete.

use super::rng::Rng;
use crate::fixture::Team;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use registry_token_operator::api::RegistryToken;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// How long a user waits for the API server, which may be down.
const API_TIMEOUT: Duration = Duration::from_secs(3);

/// How often each operation succeeded.
#[derive(Debug, Default)]
pub struct Counters {
    pub created: AtomicU64,
    pub edited: AtomicU64,
    pub rotated: AtomicU64,
    pub deleted: AtomicU64,
    pub secrets_deleted: AtomicU64,
}

/// Many users in one namespace.
pub struct Workload<'a> {
    pub team: &'a Team,
    /// The maximum number of objects.
    pub objects: u64,
    /// The longest pause between two operations, in milliseconds.
    pub pause: u64,
    pub counters: &'a Counters,
}

impl Workload<'_> {
    /// Runs operations until it is dropped: first those that create every object, then random ones.
    pub async fn run(&self, mut rng: Rng) {
        let mut next = 0..self.objects;
        loop {
            tokio::time::sleep(rng.millis(5, self.pause)).await;
            let name = format!("pull-{}", next.next().unwrap_or_else(|| rng.below(self.objects)));
            // What the API server does not accept is not repeated: the workload continues with something else.
            let _ = timeout(API_TIMEOUT, self.random_operation(&name, &mut rng)).await;
        }
    }

    /// Creates the missing objects after the chaos.
    pub async fn create_missing(&self, rng: &mut Rng) {
        for index in 0..self.objects {
            let name = format!("pull-{index}");
            if matches!(self.team.tokens().get_opt(&name).await, Ok(None)) {
                self.create(&name, rng).await;
            }
        }
    }

    async fn random_operation(&self, name: &str, rng: &mut Rng) {
        let (text, what) = (format!("edited {}", rng.below(1_000_000)), rng.below(100));
        let annotate = |key: &str, value: &str| json!({"metadata": {"annotations": {key: value}}});
        let found = match what {
            0..40 => self.patch(name, json!({"spec": {"description": text}}), &self.counters.edited).await,
            40..45 => {
                self.patch(
                    name,
                    json!({"spec": {"secret": {"labels": {"by": what.to_string()}}}}),
                    &self.counters.edited,
                )
                .await
            }
            45..65 => self.patch(name, annotate("registry-token.dev/rotate", &text), &self.counters.rotated).await,
            65..72 => self.patch(name, annotate("registry-token.dev/replace", &text), &self.counters.rotated).await,
            72..77 => self.delete_secret(name).await,
            _ => self.delete(name).await,
        };
        if !found {
            self.create(name, rng).await;
        }
    }

    async fn create(&self, name: &str, rng: &mut Rng) {
        // A short overlap, so that no token has to retire for long at the end.
        let rotation = json!({"interval": "24h", "overlap": "2s"});
        let object: RegistryToken = serde_json::from_value(json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken", "metadata": {"name": name},
            "spec": {
                "description": format!("of {name}, {}", rng.below(1_000_000)),
                "issuerRef": {"kind": "TokenIssuer", "name": "portal"},
                "rotation": rotation,
            },
        }))
        .expect("an object");
        if self.team.tokens().create(&PostParams::default(), &object).await.is_ok() {
            self.counters.created.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// False if there is no such object.
    async fn patch(&self, name: &str, change: Value, counter: &AtomicU64) -> bool {
        let done = self.team.tokens().patch(name, &PatchParams::default(), &Patch::Merge(change)).await;
        if done.is_ok() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        !is_missing(done.err())
    }

    async fn delete(&self, name: &str) -> bool {
        let done = self.team.tokens().delete(name, &DeleteParams::default()).await;
        if done.is_ok() {
            self.counters.deleted.fetch_add(1, Ordering::Relaxed);
        }
        !is_missing(done.err())
    }

    async fn delete_secret(&self, name: &str) -> bool {
        let done = self.team.secrets().delete(name, &DeleteParams::default()).await;
        if done.is_ok() {
            self.counters.secrets_deleted.fetch_add(1, Ordering::Relaxed);
        }
        !is_missing(done.err())
    }
}

fn is_missing(error: Option<kube::Error>) -> bool {
    matches!(error, Some(kube::Error::Api(status)) if status.code == 404)
}
