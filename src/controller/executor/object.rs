//! Reads and writes the object, its finalizer and its status, and reads its issuer during an attempt.

use super::authorize::authorize_issuer;
use super::{Executor, response_from_api_error};
use crate::api::{FINALIZER, REPLACE_ANNOTATION, Reason, RegistryToken, RegistryTokenStatus};
use crate::controller::api_call::{ApiError, call};
use crate::domain::model::status_view::StatusView;
use crate::domain::model::unverified_tokens::unverified_problem;
use crate::domain::observed::Observed;
use crate::domain::protocol::Response;
use crate::domain::status::{
    StatusContext, StatusEvent, namespace_condition, next_status, ready_condition, waiting_condition,
};
use crate::metrics::StatusWriteFailure;
use kube::ResourceExt;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use std::sync::Arc;

/// Waiting because of `spec.suspend` is intended by the user.
const SUSPENDED: &str = "Suspended";

/// The reason of the event for a failed status write.
const STATUS_NOT_WRITTEN: &str = "StatusNotWritten";

impl Executor<'_> {
    /// Reads the object live.
    pub(crate) async fn read_object(&mut self) -> Response {
        let objects = self.snapshot.objects(self.ctx);
        match call("read the RegistryToken", objects.get_opt(&self.snapshot.object.name_any())).await {
            Ok(Some(object)) if object.uid() == self.snapshot.object.uid() => self.set_object(object),
            Ok(_) => Response::Object(None),
            Err(error) => response_from_api_error(error),
        }
    }

    fn set_object(&mut self, mut object: RegistryToken) -> Response {
        // They are not used, and a pass may wait for a long time.
        object.metadata.managed_fields = None;
        self.snapshot.object = Arc::new(object);
        Response::Object(Some(Box::new(self.snapshot.parse_object(self.ctx))))
    }

    /// Reads the issuer live.
    pub(crate) async fn read_issuer(&mut self) -> Response {
        let Some(issuer) = self.snapshot.issuer.clone() else { return Response::IssuerChanged };
        let (key, namespace) = (self.snapshot.issuer_key(), self.snapshot.namespace());
        match authorize_issuer(self.ctx, &key, (&namespace, self.priority), &issuer).await {
            Ok(started) => {
                self.issuer_read_at = started;
                Response::Done
            }
            Err(response) => response,
        }
    }

    /// Adds or removes our finalizer, guarded by the version that was read.
    pub(crate) async fn set_finalizer(&mut self, wanted: bool) -> Response {
        let mut finalizers = self.snapshot.object.finalizers().to_vec();
        finalizers.retain(|finalizer| finalizer != FINALIZER);
        if wanted {
            finalizers.push(FINALIZER.to_owned());
        } else {
            // Boxed: most objects have none.
            Box::pin(self.clean_service_accounts()).await;
            Box::pin(self.release_argocd_secret()).await;
        }
        let body = json!({"metadata": {
            "uid": self.snapshot.object.uid(),
            "resourceVersion": self.snapshot.object.resource_version(),
            "finalizers": finalizers,
        }});
        let (name, objects) = (self.snapshot.object.name_any(), self.snapshot.objects(self.ctx));
        let (params, patch) = (PatchParams::default(), Patch::Merge(&body));
        match call("write the finalizer", objects.patch(&name, &params, &patch)).await {
            Ok(object) => {
                if !wanted {
                    self.on_finalized().await;
                }
                self.set_object(object)
            }
            Err(ApiError::NotFound(_)) if !wanted => {
                self.on_finalized().await;
                Response::Object(None)
            }
            Err(error) => response_from_api_error(error),
        }
    }

    async fn on_finalized(&self) {
        let left = StatusView::of(&self.snapshot.parse_object(self.ctx)).unverified.tokens();
        if let Some(problem) = unverified_problem(&left) {
            self.ctx
                .events
                .emit(&self.snapshot.reference(), false, &problem.reason.to_string(), &problem.message)
                .await;
        }
        tracing::info!(object = %self.snapshot.key(), "finalizer removed");
        self.ctx.process_state.forget(&self.snapshot.uid());
        let _ = self.ctx.requeue_issuer.send(self.snapshot.issuer_key());
    }

    /// The status, if it belongs to this object: a restored copy has that of another one.
    pub(super) fn own_status(&self) -> Option<&RegistryTokenStatus> {
        let object = &self.snapshot.object;
        object.status.as_ref().filter(|status| status.uid == object.metadata.uid)
    }

    /// Writes into the status what was found at the end of a pass. Returns whether the status says it now. The reason and
    /// message that `problem` reads from it are emitted as an event, if the reason is new and one of `told`.
    pub(super) async fn record(
        &mut self,
        observed: &Observed,
        found: StatusEvent,
        problem: fn(Option<&RegistryTokenStatus>) -> Option<(&str, &str)>,
        told: &[Reason],
    ) -> bool {
        let former = self.snapshot.object.status.clone();
        let context = StatusContext { now: self.ctx.clock.now(), ..StatusContext::of(observed) };
        let status = next_status(former.as_ref(), &context, found);
        if former.as_ref() == Some(&status) {
            return true;
        }
        if !matches!(self.write_status(status).await, Response::Object(Some(_))) {
            return false;
        }
        let Some((reason, message)) = problem(self.snapshot.object.status.as_ref()) else { return true };
        let is_new = problem(former.as_ref()).is_none_or(|(former, _)| former != reason);
        if is_new && told.iter().any(|one| one.to_string() == reason) {
            self.ctx.events.emit(&self.snapshot.reference(), false, reason, message).await;
        }
        true
    }

    /// Writes the whole status, guarded by the version that was read. A changed `Ready` condition is also emitted as an
    /// event.
    pub(crate) async fn write_status(&mut self, status: RegistryTokenStatus) -> Response {
        let previous = self.snapshot.object.status.clone();
        let mut object = RegistryToken::clone(&self.snapshot.object);
        // The version guards the write; the other metadata are not needed.
        object.metadata = ObjectMeta {
            name: object.metadata.name,
            namespace: object.metadata.namespace,
            uid: object.metadata.uid,
            resource_version: object.metadata.resource_version,
            ..ObjectMeta::default()
        };
        object.status = Some(status);
        let (name, objects) = (object.name_any(), self.snapshot.objects(self.ctx));
        match call("write the status", objects.replace_status(&name, &PostParams::default(), &object)).await {
            Ok(object) => {
                let response = self.set_object(object);
                self.emit_ready_event(previous).await;
                response
            }
            Err(error) => {
                self.report_status_error(&error).await;
                response_from_api_error(error)
            }
        }
    }

    /// Reports a status that cannot be written as an event and counts it. A conflict is not a failure.
    async fn report_status_error(&self, error: &ApiError) {
        let reason = match error {
            ApiError::Rejected(..) => StatusWriteFailure::Rejected,
            ApiError::Unavailable(..) => StatusWriteFailure::Unavailable,
            _ => {
                tracing::debug!(object = %self.snapshot.key(), %error, "status not written");
                return;
            }
        };
        self.ctx.metrics.record_status_write_failure(reason);
        tracing::warn!(object = %self.snapshot.key(), %error, "status write failed");
        let note = format!("{error}. The write is retried; until it succeeds, the conditions are outdated");
        self.ctx.events.emit(&self.snapshot.reference(), false, STATUS_NOT_WRITTEN, &note).await;
    }

    async fn emit_ready_event(&self, previous: Option<RegistryTokenStatus>) {
        let (previous, status) = (previous.as_ref(), self.snapshot.object.status.as_ref());
        let same = |was: Option<(&str, &str, &str)>, value: &str, reason: &str, message: &str| {
            was.is_some_and(|(previous, why, from)| {
                // A replacement that also waits is reported, whatever else the object waits for.
                let waits = |text: &str| text.contains(REPLACE_ANNOTATION);
                previous == value
                    && why == reason
                    && issuer_reason(why, from) == issuer_reason(reason, message)
                    && waits(from) == waits(message)
            })
        };
        if let Some((value, reason, message)) = ready_condition(status)
            .filter(|(value, reason, message)| !same(ready_condition(previous), value, reason, message))
        {
            tracing::info!(object = %self.snapshot.key(), ready = value, reason, detail = message, "status changed");
            // The user suspended the object, so waiting is not a problem.
            let good = value == "True" || self.snapshot.object.spec.suspend;
            self.ctx.events.emit(&self.snapshot.reference(), good, reason, message).await;
        }
        // What happens to the tokens of a namespace that is not allowed any more, and when.
        if let Some((_, reason, message)) = namespace_condition(status)
            .filter(|(.., message)| namespace_condition(previous).is_none_or(|(.., former)| former != *message))
            .filter(|(_, reason, _)| ready_condition(status).is_none_or(|ready| ready.1 != *reason))
        {
            tracing::info!(object = %self.snapshot.key(), reason, detail = message, "namespace not allowed");
            self.ctx.events.emit(&self.snapshot.reference(), false, reason, message).await;
        }
        // The reason why an object with a valid token waits does not change `Ready`, and has to be reported too.
        let Some((value, reason, message)) = waiting_condition(status) else { return };
        let reported = same(waiting_condition(previous), value, reason, message)
            || ready_condition(status).is_some_and(|ready| ready.1 == reason);
        if !reported {
            tracing::info!(object = %self.snapshot.key(), reason, detail = message, "blocked");
            self.ctx.events.emit(&self.snapshot.reference(), reason == SUSPENDED, reason, message).await;
        }
    }
}

/// The issuer's own reason, which starts the message: if it changes, a new event is emitted. The rest may differ each
/// time.
fn issuer_reason<'a>(reason: &str, message: &'a str) -> &'a str {
    let repeats = reason == Reason::IssuerNotReady.to_string();
    message.split_once(':').filter(|_| repeats).map_or("", |(cause, _)| cause)
}
