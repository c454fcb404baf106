//! How long all writes took, according to the audit log.

use crate::control_plane::{AuditEvent, Events};
use std::time::Duration;

/// From the first creation of an object of this resource to the last write, except events, of the client that is measured.
pub fn written_within(events: &Events, resource: &str, is_measured: impl Fn(&AuditEvent) -> bool) -> Duration {
    let created = events.iter().filter(|event| event.verb == "create" && event.resource == resource);
    let first = created.map(|event| event.time).min().expect("objects were created");
    let written = events.iter().filter(|event| is_measured(event) && event.is_write() && event.resource != "events");
    let last = written.map(|event| event.time).max().expect("the client has written");
    last.duration_since(first).unsigned_abs()
}
