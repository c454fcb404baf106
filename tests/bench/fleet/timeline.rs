//! When each step of each object happened.

use super::Fleet;
use super::audit_log::is_by_operator;
use crate::control_plane::AuditEvent;
use crate::fake_portal::Operation;
use jiff::Timestamp;
use std::collections::HashSet;

impl Fleet {
    /// For each step, when it happened, in seconds since the first object was created: at the API server according to its
    /// audit log, and at the portal.
    pub async fn timeline(&self) -> Vec<(&'static str, Vec<f64>)> {
        let events = self.events_since(self.begun).await;
        let is_created = |event: &&AuditEvent| event.verb == "create" && event.resource == "registrytokens";
        let Some(begun) = events.iter().find(is_created).map(|event| event.time) else { return vec![] };
        let seconds = |time: Timestamp| time.duration_since(begun).as_secs_f64();
        let by_operator = |verb: &str, resource: &str| {
            let own = events.iter().filter(|event| is_by_operator(event) && event.subresource.is_empty());
            own.filter(|event| event.verb == verb && event.resource == resource && event.name != "portal")
                .map(|event| seconds(event.time))
                .collect::<Vec<f64>>()
        };
        let (mut ready, mut synced, mut seen) = (vec![], vec![], HashSet::new());
        for event in events.iter().filter(|event| event.subresource == "status" && event.name.starts_with("pull-")) {
            if seen.insert(event.name.clone()) { &mut ready } else { &mut synced }.push(seconds(event.time));
        }
        let requested = self.portal.ledger().requests_since(0);
        // The request for the first object, which used the issuer before, is not among the counted ones.
        let requested =
            requested.iter().filter(|request| request.operation == Operation::Request && request.at >= begun);
        vec![
            ("object created", events.iter().filter(is_created).map(|event| seconds(event.time)).collect()),
            ("finalizer added", by_operator("patch", "registrytokens")),
            ("Secret reserved", by_operator("create", "secrets")),
            ("token requested", requested.map(|request| seconds(request.at)).collect()),
            ("token stored", by_operator("patch", "secrets")),
            ("Ready", ready),
            ("description synced", synced),
        ]
    }
}
