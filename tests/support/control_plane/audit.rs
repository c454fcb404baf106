//! The API server's audit log: who sent which requests, and how many.

use super::error::{Context, Error, Result};
use super::start::ControlPlane;
use super::wait::wait_for;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use serde::Deserialize;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Prefix of the names of namespaces that do not exist: requesting one puts a marker into the log.
const MARKER_PREFIX: &str = "audit-marker-";

/// A request's line is in the log within milliseconds after its response was sent.
const MARK_LIMIT: Duration = Duration::from_secs(20);

/// One request. Fields that do not apply to it are empty.
#[derive(Debug, Clone)]
pub struct AuditEvent {
    /// The user who sent it; the impersonated user, if there is one.
    pub user: String,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// The RBAC verb: get, list, watch, create, update, patch, delete, deletecollection.
    pub verb: String,
    /// The plural name, such as `secrets`.
    pub resource: String,
    /// Such as `status`.
    pub subresource: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name; empty for lists, and for a create that uses `generateName`.
    pub name: String,
    /// The HTTP status of the response.
    pub status_code: u16,
    /// Path and query.
    pub request_uri: String,
    /// When the request arrived.
    pub time: Timestamp,
}

impl AuditEvent {
    /// Whether the request was a write, whether or not it succeeded.
    pub fn is_write(&self) -> bool {
        let writes = ["create", "update", "patch", "delete", "deletecollection"];
        writes.contains(&self.verb.as_str())
    }
}

/// A position in the audit log: after all requests that were answered before it was taken.
#[derive(Debug, Clone, Copy)]
pub struct Position(u64);

/// Requests in the order of their responses (watches: in the order in which they began).
#[derive(Debug, Clone)]
pub struct Events(Vec<AuditEvent>);

impl Events {
    /// The requests of this user, such as `system:serviceaccount:<namespace>:<name>`.
    #[must_use]
    pub fn by(self, user: &str) -> Self {
        self.filter(|event| event.user == user)
    }

    /// The requests for objects in this namespace.
    #[must_use]
    pub fn within(self, namespace: &str) -> Self {
        self.filter(|event| event.namespace == namespace)
    }

    /// The requests that write: create, update, patch, delete.
    #[must_use]
    pub fn writes(self) -> Self {
        self.filter(AuditEvent::is_write)
    }

    /// The requests for resources other than these, such as `&["leases", "events"]`.
    #[must_use]
    pub fn without(self, resources: &[&str]) -> Self {
        self.filter(|event| !resources.contains(&event.resource.as_str()))
    }

    /// The requests for which `keep` is true.
    #[must_use]
    pub fn filter(mut self, keep: impl FnMut(&AuditEvent) -> bool) -> Self {
        self.0.retain(keep);
        self
    }
}

impl Deref for Events {
    type Target = [AuditEvent];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// The audit log of a control plane.
pub struct Audit<'a> {
    control_plane: &'a ControlPlane,
    path: PathBuf,
}

impl ControlPlane {
    /// The audit log; an error if [`Options::audit`](super::Options::audit) is off.
    pub fn audit(&self) -> Result<Audit<'_>> {
        if !self.options.audit {
            return Err(Error::new("this control plane writes no audit log"));
        }
        Ok(Audit { control_plane: self, path: self.files.audit_log() })
    }
}

impl Audit<'_> {
    /// The position after all requests that have been answered so far.
    pub async fn position(&self) -> Result<Position> {
        let client = self.control_plane.client().await?;
        // The end of the file, so that only new lines are searched for the marker.
        let length = self.path.metadata().map_or(0, |file| file.len());
        let (_, end) = self.up_to_now(&client, length).await?;
        Ok(Position(end))
    }

    /// All requests from this position until now.
    pub async fn since(&self, position: Position) -> Result<Events> {
        let client = self.control_plane.client().await?;
        let (text, _) = self.up_to_now(&client, position.0).await?;
        let mut events = Vec::new();
        for line in text.lines() {
            let line: Line =
                serde_json::from_str(line).context(format!("a line of {}: {line}", self.path.display()))?;
            events.extend(line.into_event());
        }
        Ok(Events(events))
    }

    /// Puts a marker into the log and returns the text from `start` to the marker, and the position where it ends.
    ///
    /// kube-apiserver writes a request's line before it ends its response. So when the marker, which is requested
    /// later, is in the log, all requests that were answered before it are there too.
    async fn up_to_now(&self, client: &Client, start: u64) -> Result<(String, u64)> {
        let count = &self.control_plane.audit_marks;
        let name = format!("{MARKER_PREFIX}{}", count.fetch_add(1, Ordering::Relaxed));
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces.get_opt(&name).await.context("writing a marker into the audit log")?;
        let marker = format!("\"name\":\"{name}\"");
        let what = format!("the marker {name} in {}", self.path.display());
        wait_for(&what, MARK_LIMIT, async || {
            let text = self.read(start).map_err(|error| error.to_string())?;
            let found = text.find(&marker).ok_or("not there yet")?;
            let line_end = text[found..].find('\n').ok_or("not all there yet")?;
            let length = found + line_end + 1;
            Ok((text[..length].to_owned(), start + length as u64))
        })
        .await
    }

    /// The complete lines from `start`.
    fn read(&self, start: u64) -> Result<String> {
        let reading = format!("reading {}", self.path.display());
        let mut file = File::open(&self.path).context(&reading)?;
        file.seek(SeekFrom::Start(start)).context(&reading)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).context(&reading)?;
        // A line that is still being written may end within a character.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        bytes.truncate(whole);
        String::from_utf8(bytes).context(&reading)
    }
}

/// A line of the log, as `audit.k8s.io/v1` defines it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    impersonated_user: Option<User>,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

impl Line {
    /// One event for each request: a watch has a line for its start, which counts, and one for its end. The markers are
    /// left out.
    fn into_event(self) -> Option<AuditEvent> {
        let end_of_watch = self.verb == "watch" && self.stage == "ResponseComplete";
        if end_of_watch || self.object_ref.name.starts_with(MARKER_PREFIX) {
            return None;
        }
        Some(AuditEvent {
            user: self.impersonated_user.unwrap_or(self.user).username,
            user_agent: self.user_agent,
            verb: self.verb,
            resource: self.object_ref.resource,
            subresource: self.object_ref.subresource,
            namespace: self.object_ref.namespace,
            name: self.object_ref.name,
            status_code: self.response_status.code,
            request_uri: self.request_uri,
            time: self.request_received_timestamp,
        })
    }
}
