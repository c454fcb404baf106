//! Restarts of the operator.

use super::audit_log::is_by_operator;
use super::filled::is_stored;
use super::{BINARY, Fleet, LIMIT, options, start_operator};
use crate::operator_process::{self, Operator};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DeleteParams;
use kube::core::PartialObjectMeta;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a restart costs.
pub struct Restart {
    /// From the start of the process until it is ready.
    pub ready: Duration,
    /// The writes in the first 20 s.
    pub writes: usize,
    /// All requests in that time but watches, as verb and resource.
    pub requests: Vec<String>,
}

impl Restart {
    /// The requests, counted.
    pub fn summary(&self) -> String {
        let mut counted: BTreeMap<&String, usize> = BTreeMap::new();
        for request in &self.requests {
            *counted.entry(request).or_default() += 1;
        }
        counted.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
    }
}

impl Fleet {
    /// Restarts the operator.
    pub async fn restart(&mut self) -> Restart {
        let former = self.operator.take().expect("runs");
        former.terminate().await;
        let position = self.position().await;
        let begun = Instant::now();
        self.operator = Some(start_operator(&self.control_plane, self.flags).await);
        let ready = begun.elapsed();
        tokio::time::sleep(Duration::from_secs(20)).await;
        let events = self.events_since(position).await;
        let events =
            events.filter(|event| event.user_agent.starts_with("registry-token-operator/") && event.verb != "watch");
        let requests = events.iter().map(|event| format!("{} {}", event.verb, event.resource)).collect();
        Restart { ready, writes: events.filter(is_by_operator).writes().len(), requests }
    }

    /// Restarts the operator with other flags.
    pub async fn restart_with_flags(&mut self, flags: &'static [&'static str]) {
        self.operator.take().expect("runs").terminate().await;
        self.flags = flags;
        self.operator = Some(start_operator(&self.control_plane, flags).await);
    }

    /// Stops the operator, deletes the first Secret, and starts the operator: the time until its first request for that
    /// object.
    pub async fn start_to_first_reconcile(&mut self) -> Duration {
        self.operator.take().expect("runs").terminate().await;
        let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(self.client.clone(), &self.namespace);
        secrets.delete("pull-0", &DeleteParams::default()).await.expect("deleted");
        let position = self.position().await;
        let kubeconfig = operator_process::kubeconfig(&self.control_plane).await.expect("a kubeconfig");
        let (started, begun) = (Timestamp::now(), Instant::now());
        let operator = Operator::spawn(Path::new(BINARY), &kubeconfig, &options(self.flags)).expect("it starts");
        loop {
            let filled = secrets.get_opt("pull-0").await.expect("read");
            if filled.is_some_and(|secret| is_stored(&secret)) {
                break;
            }
            assert!(begun.elapsed() < LIMIT, "waited for the Secret of one object");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.operator = Some(operator);
        let events = self.events_since(position).await;
        let first =
            events.iter().find(|event| is_by_operator(event) && event.name == "pull-0").expect("a request").time;
        first.duration_since(started).try_into().expect("after the start")
    }
}
