//! Events, as shown by `kubectl describe`.

use super::CONTROLLER_NAME;
use super::api_call::acquire_slot;
use super::event_limit::EventLimit;
use crate::kube_client::objects::ObjectClient;
use crate::metrics::Metrics;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Client, Error};
use std::sync::Arc;
use std::time::Duration;

/// An event's name has at most 253 characters: the object's name, a dot and a time in nanoseconds, which has 16 digits.
const MAX_OBJECT_NAME: usize = 253 - 17;
/// The API server accepts notes of up to 1,024 bytes.
const MAX_NOTE_BYTES: usize = 900;
/// Timeout for an event, which only repeats what status or log say.
const EMIT_TIMEOUT: Duration = Duration::from_secs(10);

/// Emits events.
pub struct EventRecorder {
    client: Client,
    identity: String,
    metrics: Arc<Metrics>,
    limit: EventLimit,
}

impl EventRecorder {
    /// `identity` becomes the reporting instance.
    #[must_use]
    pub fn new(client: Client, identity: String, metrics: Arc<Metrics>) -> Self {
        Self { client, identity, metrics, limit: EventLimit::new() }
    }

    /// Emits an event. A namespace that is being deleted rejects events; then only the status shows the fact. Of Normal
    /// events in a burst, some are left out.
    pub async fn emit(&self, about: &ObjectReference, normal: bool, reason: &str, note: &str) {
        if normal && !self.limit.take() {
            self.metrics.record_suppressed_event();
            return;
        }
        let Some(_slot) = acquire_slot().await else {
            self.metrics.record_dropped_event();
            return;
        };
        match tokio::time::timeout(EMIT_TIMEOUT, self.create(about, normal, reason, note)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::debug!(%error, reason, "event rejected"),
            Err(_) => tracing::debug!(reason, "event timed out"),
        }
        self.metrics.record_dropped_event();
    }

    /// Every event is a separate object. kube's recorder would count a second one with the same reason as a repetition
    /// of the first, although its note differs.
    async fn create(&self, about: &ObjectReference, normal: bool, reason: &str, note: &str) -> Result<(), Error> {
        let name = about.name.as_deref().unwrap_or(CONTROLLER_NAME);
        let (now, namespace) = (Timestamp::now(), about.namespace.as_deref().unwrap_or("default"));
        let event = Event {
            metadata: ObjectMeta {
                name: Some(event_name(name, now)),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            action: Some("Reconcile".to_owned()),
            reason: Some(reason.to_owned()),
            note: Some(truncate_note(note)),
            type_: Some(if normal { "Normal" } else { "Warning" }.to_owned()),
            event_time: Some(MicroTime(now)),
            regarding: Some(about.clone()),
            reporting_controller: Some(CONTROLLER_NAME.to_owned()),
            reporting_instance: Some(self.identity.chars().take(128).collect()),
            ..Event::default()
        };
        ObjectClient::namespaced(self.client.clone(), namespace).create(&PostParams::default(), &event).await.map(drop)
    }
}

/// Names are ASCII. The truncated name ends neither in a dot nor in a dash.
fn event_name(name: &str, now: Timestamp) -> String {
    let kept: String = name.chars().take(MAX_OBJECT_NAME).collect();
    format!("{}.{:x}", kept.trim_end_matches(['.', '-']), now.as_nanosecond())
}

fn truncate_note(note: &str) -> String {
    note.get(..note.floor_char_boundary(MAX_NOTE_BYTES)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_name_is_a_valid_object_name() {
        let name = event_name(&format!("{}.-{}", "a".repeat(MAX_OBJECT_NAME - 2), "b".repeat(20)), Timestamp::now());
        assert!(
            name.len() <= 253 && name.starts_with("aaa") && !name.contains('-') && !name.contains("bbbb"),
            "{name}"
        );
        assert_eq!(name.matches('.').count(), 1);
    }

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(truncate_note("short"), "short");
        let cut = truncate_note(&"\u{1f600}".repeat(400));
        assert!(cut.len() <= MAX_NOTE_BYTES && cut.len() > MAX_NOTE_BYTES - 4);
    }
}
