//! The object: read, its finalizer, its status; and its issuer as the attempt reads it.

use super::{Hands, unanswered};
use crate::api::{FINALIZER, REPLACE_ANNOTATION, Reason, RegistryToken, RegistryTokenStatus};
use crate::controller::cluster::{ClusterError, call};
use crate::controller::usable::{Withdrawn, check_usable};
use crate::domain::effect::Answer;
use crate::domain::faults::unavailable;
use crate::domain::recorded::recorded;
use crate::domain::status::{ready_word, waiting_word};
use crate::domain::unproved::unverified;
use crate::metrics::STATUS_WRITE_FAILURES;
use kube::ResourceExt;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// To wait because of `spec.suspend` is what its user wants.
const SUSPENDED: &str = "Suspended";

/// The reason of the event that tells of it.
const STATUS_NOT_WRITTEN: &str = "StatusNotWritten";

impl Hands<'_> {
    /// The object past every cache.
    pub(super) async fn read_object(&mut self) -> Answer {
        let objects = self.world.objects(self.ctx);
        match call("read the RegistryToken", objects.get_opt(&self.world.object.name_any())).await {
            Ok(Some(object)) if object.uid() == self.world.object.uid() => self.now_is(object),
            Ok(_) => Answer::Object(None),
            Err(error) => unanswered(error),
        }
    }

    fn now_is(&mut self, mut object: RegistryToken) -> Answer {
        // Nobody reads them, and a pass may wait for long.
        object.metadata.managed_fields = None;
        self.world.object = Arc::new(object);
        Answer::Object(Some(Box::new(self.world.parse_object(self.ctx))))
    }

    /// The issuer past every cache.
    pub(super) async fn read_issuer(&mut self) -> Answer {
        let Some(issuer) = self.world.issuer.clone() else { return Answer::Changed };
        self.issuer_read = Instant::now();
        match check_usable(self.ctx, &self.world.issuer_key(), &self.world.namespace(), &issuer).await {
            Ok(()) => Answer::Done,
            Err(Withdrawn::Changed) => Answer::Changed,
            Err(Withdrawn::Because(fault)) => Answer::Withdrawn(fault),
            Err(Withdrawn::Unread(error)) => Answer::Withdrawn(unavailable(&error.to_string())),
        }
    }

    /// Puts our finalizer on the object or takes it off, guarded by the version that was read.
    pub(super) async fn finalizer(&mut self, wanted: bool) -> Answer {
        let mut finalizers = self.world.object.finalizers().to_vec();
        finalizers.retain(|finalizer| finalizer != FINALIZER);
        if wanted {
            finalizers.push(FINALIZER.to_owned());
        }
        let body = json!({"metadata": {
            "uid": self.world.object.uid(),
            "resourceVersion": self.world.object.resource_version(),
            "finalizers": finalizers,
        }});
        let (name, objects) = (self.world.object.name_any(), self.world.objects(self.ctx));
        let (params, patch) = (PatchParams::default(), Patch::Merge(&body));
        match call("write the finalizer", objects.patch(&name, &params, &patch)).await {
            Ok(object) => {
                if !wanted {
                    self.released().await;
                }
                self.now_is(object)
            }
            Err(ClusterError::NotFound(_)) if !wanted => {
                self.released().await;
                Answer::Object(None)
            }
            Err(error) => unanswered(error),
        }
    }

    async fn released(&self) {
        let left = recorded(&self.world.parse_object(self.ctx)).unproved.tokens();
        if let Some(fault) = unverified(&left) {
            self.ctx.events.tell(&self.world.reference(), false, &fault.reason.to_string(), &fault.message).await;
        }
        tracing::info!(object = %self.world.name(), "released");
        self.ctx.memory.forget(&self.world.uid());
        let _ = self.ctx.wake_issuer.send(self.world.issuer_key());
    }

    /// Writes the status whole, guarded by the version that was read. A changed `Ready` is told as
    /// an event too.
    pub(super) async fn write_status(&mut self, status: RegistryTokenStatus) -> Answer {
        let former = self.world.object.status.clone();
        let mut object = RegistryToken::clone(&self.world.object);
        // The version guards the write; what else is in the metadata is not ours to repeat.
        object.metadata = ObjectMeta {
            name: object.metadata.name,
            namespace: object.metadata.namespace,
            uid: object.metadata.uid,
            resource_version: object.metadata.resource_version,
            ..ObjectMeta::default()
        };
        object.status = Some(status);
        let (name, objects) = (object.name_any(), self.world.objects(self.ctx));
        match call("write the status", objects.replace_status(&name, &PostParams::default(), &object)).await {
            Ok(object) => {
                let answer = self.now_is(object);
                self.tell_change(former).await;
                answer
            }
            Err(error) => {
                self.tell_unwritten(&error).await;
                unanswered(error)
            }
        }
    }

    /// What a status cannot say is said in an event, and counted. That somebody else wrote first is
    /// no failure.
    async fn tell_unwritten(&self, error: &ClusterError) {
        match error {
            ClusterError::Refused(..) => STATUS_WRITE_FAILURES.refused(),
            ClusterError::Unavailable(..) => STATUS_WRITE_FAILURES.unavailable(),
            _ => {
                tracing::debug!(object = %self.world.name(), %error, "the status is not written");
                return;
            }
        }
        tracing::warn!(object = %self.world.name(), %error, "the status cannot be written");
        let note = format!("{error}; tried again. Until then the conditions do not say what is true");
        self.ctx.events.tell(&self.world.reference(), false, STATUS_NOT_WRITTEN, &note).await;
    }

    async fn tell_change(&self, former: Option<RegistryTokenStatus>) {
        let (former, status) = (former.as_ref(), self.world.object.status.as_ref());
        let same = |was: Option<(&str, &str, &str)>, value: &str, reason: &str, message: &str| {
            was.is_some_and(|(former, why, from)| {
                // That a replacement waits too is news, whatever else the object waits for.
                let waits = |text: &str| text.contains(REPLACE_ANNOTATION);
                former == value
                    && why == reason
                    && cause(why, from) == cause(reason, message)
                    && waits(from) == waits(message)
            })
        };
        if let Some((value, reason, message)) =
            ready_word(status).filter(|(value, reason, message)| !same(ready_word(former), value, reason, message))
        {
            tracing::info!(object = %self.world.name(), ready = value, reason, detail = message, "status changed");
            // Somebody suspended it on purpose: that it waits is no fault.
            let good = value == "True" || self.world.object.spec.suspend;
            self.ctx.events.tell(&self.world.reference(), good, reason, message).await;
        }
        // What an object whose token works waits for is no change of Ready, and must not be silent.
        let Some((value, reason, message)) = waiting_word(status) else { return };
        let said = same(waiting_word(former), value, reason, message)
            || ready_word(status).is_some_and(|ready| ready.1 == reason);
        if !said {
            tracing::info!(object = %self.world.name(), reason, detail = message, "blocked");
            self.ctx.events.tell(&self.world.reference(), reason == SUSPENDED, reason, message).await;
        }
    }
}

/// The issuer's own reason, as the message repeats it: another one is another event. What follows may differ each time.
fn cause<'a>(reason: &str, message: &'a str) -> &'a str {
    let repeats = reason == Reason::IssuerNotReady.to_string();
    message.split_once(':').filter(|_| repeats).map_or("", |(cause, _)| cause)
}
