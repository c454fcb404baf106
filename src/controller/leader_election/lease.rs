//! Reads and writes the Lease.

use super::ElectionSettings;
use crate::api::INSTALLATION_ANNOTATION;
use crate::controller::api_call::safe_error_message;
use crate::controller::context::Context;
use crate::controller::field_manager::post_params;
use crate::domain::leader_election::{Change, LeaseRecord, Request, Response};
use crate::kube_client::objects::ObjectClient;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Error;
use std::time::Duration;

/// A released Lease has no holder, so its duration has no meaning; zero is not valid.
const RELEASED_SECONDS: i32 = 1;

/// Why a request has no result.
pub(super) enum LeaseError {
    /// The API server rejected it: permissions, admission or validation.
    Rejected(String),
    /// There was no clear response.
    Unavailable(String),
}

/// The Lease on the API server. Its requests do not wait for slots of other calls, and are not repeated.
pub(super) struct LeaseAccess {
    client: ObjectClient<Lease>,
    namespace: String,
    name: String,
    identity: String,
    installation: String,
    seconds: i32,
    /// As last read or written: updates keep the parts that belong to others.
    last: Lease,
}

impl LeaseAccess {
    pub(super) fn new(ctx: &Context, settings: &ElectionSettings) -> Self {
        Self {
            client: ObjectClient::namespaced(ctx.client.clone(), &settings.namespace),
            namespace: settings.namespace.clone(),
            name: settings.name.clone(),
            identity: ctx.identity.clone(),
            installation: settings.installation.clone(),
            seconds: i32::try_from(settings.timing.lease_duration().as_secs()).unwrap_or(i32::MAX),
            last: Lease::default(),
        }
    }

    /// Performs a request other than the end. The timeout does not apply to a wait.
    pub(super) async fn perform(&mut self, request: Request, timeout: Duration) -> Result<Response, LeaseError> {
        if let Request::Sleep(wait) = request {
            tokio::time::sleep(wait).await;
            return Ok(Response::Slept);
        }
        let sent = async {
            match request {
                Request::Create => self.client.create(&post_params(), &self.created()).await,
                Request::Update(change) => self.client.replace(&self.name, &post_params(), &self.updated(change)).await,
                Request::Read | Request::Sleep(_) | Request::End => self.client.get(&self.name).await,
            }
        };
        match tokio::time::timeout(timeout, sent).await {
            Ok(Ok(lease)) => {
                self.last = lease;
                Ok(Response::Lease(record(&self.last)))
            }
            Ok(Err(error)) => failed(&error),
            Err(_) => Err(LeaseError::Unavailable(format!("none within {timeout:?}"))),
        }
    }

    /// The installation that held the Lease when it was last read or written, if it is not this one.
    pub(super) fn other_installation(&self) -> Option<&str> {
        let found = self.last.metadata.annotations.as_ref()?.get(INSTALLATION_ANNOTATION)?;
        Some(found.as_str()).filter(|found| *found != self.installation)
    }

    fn created(&self) -> Lease {
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            annotations: Some([self.installation_annotation()].into()),
            ..ObjectMeta::default()
        };
        Lease { metadata, spec: Some(self.held(&LeaseSpec::default(), 0)) }
    }

    fn updated(&self, change: Change) -> Lease {
        let mut lease = self.last.clone();
        lease.metadata.managed_fields = None;
        lease.metadata.annotations.get_or_insert_default().extend([self.installation_annotation()]);
        let spec = lease.spec.take().unwrap_or_default();
        lease.spec = Some(match change {
            Change::TakeOver => self.held(&spec, spec.lease_transitions.unwrap_or_default().saturating_add(1)),
            Change::Renew => LeaseSpec { renew_time: Some(now()), lease_duration_seconds: Some(self.seconds), ..spec },
            Change::Release => LeaseSpec {
                holder_identity: Some(String::new()),
                renew_time: Some(now()),
                lease_duration_seconds: Some(RELEASED_SECONDS),
                ..spec
            },
        });
        lease
    }

    fn installation_annotation(&self) -> (String, String) {
        (INSTALLATION_ANNOTATION.to_owned(), self.installation.clone())
    }

    fn held(&self, former: &LeaseSpec, transitions: i32) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            acquire_time: Some(now()),
            renew_time: Some(now()),
            lease_duration_seconds: Some(self.seconds),
            lease_transitions: Some(transitions),
            ..former.clone()
        }
    }
}

/// For people who read the Lease: no instance compares it with its own clock.
fn now() -> MicroTime {
    MicroTime(Timestamp::now())
}

fn record(lease: &Lease) -> LeaseRecord {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    LeaseRecord {
        resource_version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs),
    }
}

fn failed(error: &Error) -> Result<Response, LeaseError> {
    let message = safe_error_message(error);
    let Error::Api(status) = error else { return Err(LeaseError::Unavailable(message)) };
    match status.code {
        404 => Ok(Response::Absent),
        409 => Ok(Response::Conflict),
        400 | 401 | 403 | 405 | 413 | 422 => Err(LeaseError::Rejected(message)),
        _ => Err(LeaseError::Unavailable(message)),
    }
}
