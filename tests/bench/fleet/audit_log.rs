//! What the API server's audit log says of the operator.

use super::Fleet;
use crate::control_plane::{AuditEvent, Events, Position};
use crate::written::written_within;
use std::collections::BTreeMap;
use std::time::Duration;

impl Fleet {
    /// The present position in the audit log.
    pub async fn position(&self) -> Position {
        self.control_plane.audit().expect("audit").position().await.expect("a position")
    }

    /// All requests since then.
    pub async fn events_since(&self, position: Position) -> Events {
        self.control_plane.audit().expect("audit").since(position).await.expect("read")
    }

    /// The operator's writes since then.
    pub async fn operator_writes_since(&self, position: Position) -> Events {
        self.events_since(position).await.filter(is_by_operator).writes()
    }

    /// Requests of the operator to the API server, by verb and resource, without lists, watches and the few requests
    /// for the issuer.
    pub async fn requests(&self) -> BTreeMap<String, usize> {
        let events = self.events_since(self.begun).await;
        let mut counted = BTreeMap::new();
        for event in events.iter().filter(|event| is_by_operator(event) && !is_for_issuer(event)) {
            let slash = if event.subresource.is_empty() { "" } else { "/" };
            *counted.entry(format!("{} {}{slash}{}", event.verb, event.resource, event.subresource)).or_default() += 1;
        }
        counted
    }

    /// From the first create to the operator's last write, events excluded.
    pub async fn until_last_write(&self) -> Duration {
        let events = self.events_since(self.begun).await;
        written_within(&events, "registrytokens", is_by_operator)
    }
}

/// Whether the request is from the operator and is not a list or watch.
pub fn is_by_operator(event: &AuditEvent) -> bool {
    event.user_agent.starts_with("registry-token-operator/") && !["list", "watch"].contains(&event.verb.as_str())
}

/// Whether the request is made once for the issuer, however many objects there are.
fn is_for_issuer(event: &AuditEvent) -> bool {
    event.name == "portal" && !(event.verb == "get" && event.resource == "tokenissuers")
}
