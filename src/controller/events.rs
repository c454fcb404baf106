//! Facts where `kubectl describe` shows them.

use super::cluster::turn;
use super::context::OPERATOR;
use crate::kube_api::Objects;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Client, Error};
use std::time::Duration;

/// A name that an event may have has 253 characters; a dot and a time in nanoseconds, 16 digits, are added to the
/// object's.
const LONGEST_TO_RECORD: usize = 253 - 17;
/// The API server takes 1,024 bytes of a note.
const NOTE: usize = 900;
/// How long an event may take: it is said elsewhere too.
const WAIT: Duration = Duration::from_secs(10);

/// Tells of facts.
pub struct Events {
    client: Client,
    holder: String,
}

impl Events {
    /// In the name of this process.
    #[must_use]
    pub const fn new(client: Client, holder: String) -> Self {
        Self { client, holder }
    }

    /// Tells of a fact. A namespace that is going refuses events: then the status alone speaks.
    pub async fn tell(&self, about: &ObjectReference, good: bool, reason: &str, note: &str) {
        let Some(_turn) = turn().await else { return };
        match tokio::time::timeout(WAIT, self.publish(about, good, reason, note)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, reason, "the event is refused"),
            Err(_) => tracing::debug!(reason, "the event got no answer"),
        }
    }

    /// Each fact is an event of its own. kube's recorder would count a second one with the same reason as a repetition
    /// of the first, whose note says something else.
    async fn publish(&self, about: &ObjectReference, good: bool, reason: &str, note: &str) -> Result<(), Error> {
        let name = about.name.as_deref().unwrap_or(OPERATOR);
        let (now, namespace) = (Timestamp::now(), about.namespace.as_deref().unwrap_or("default"));
        let event = Event {
            metadata: ObjectMeta {
                name: Some(shortened(name, now)),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            action: Some("Reconcile".to_owned()),
            reason: Some(reason.to_owned()),
            note: Some(bounded(note)),
            type_: Some(if good { "Normal" } else { "Warning" }.to_owned()),
            event_time: Some(MicroTime(now)),
            regarding: Some(about.clone()),
            reporting_controller: Some(OPERATOR.to_owned()),
            reporting_instance: Some(self.holder.chars().take(128).collect()),
            ..Event::default()
        };
        Objects::namespaced(self.client.clone(), namespace).create(&PostParams::default(), &event).await.map(drop)
    }
}

/// Names are ASCII. What is left of one ends neither in a dot nor in a dash.
fn shortened(name: &str, now: Timestamp) -> String {
    let kept: String = name.chars().take(LONGEST_TO_RECORD).collect();
    format!("{}.{:x}", kept.trim_end_matches(['.', '-']), now.as_nanosecond())
}

fn bounded(note: &str) -> String {
    note.get(..note.floor_char_boundary(NOTE)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_event_is_one_that_an_object_may_bear() {
        let name = shortened(&format!("{}.-{}", "a".repeat(LONGEST_TO_RECORD - 2), "b".repeat(20)), Timestamp::now());
        assert!(
            name.len() <= 253 && name.starts_with("aaa") && !name.contains('-') && !name.contains("bbbb"),
            "{name}"
        );
        assert_eq!(name.matches('.').count(), 1);
    }

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(bounded("short"), "short");
        let cut = bounded(&"\u{1f600}".repeat(400));
        assert!(cut.len() <= NOTE && cut.len() > NOTE - 4);
    }
}
