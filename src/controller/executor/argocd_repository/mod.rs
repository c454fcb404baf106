//! Writes the second Secret, from which Argo CD reads the login, and deletes it.

mod body;
mod cleanup;
mod write;

use super::Executor;
use crate::api::{REGISTRIES_ANNOTATION, Reason, RecordedArgoCDRepository, RegistryTokenStatus};
use crate::controller::state::secret_cache::CachedSecret;
use crate::domain::argocd_repository::{
    Desired, Report, State, is_current, new_record, prepared, record_after, report,
};
use crate::domain::observed::Observed;
use crate::domain::protocol::Response;
use crate::domain::status::{StatusContext, StatusEvent, argocd_repository_problem, next_status};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use std::time::Duration;

/// After a conflict of the status.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

impl Executor<'_> {
    /// Brings the Secret in line with the pull secret and the spec, at the end of a pass. Returns when it has to be checked
    /// again. `generation` is that of the cached object.
    pub async fn sync_argocd_repository(&mut self, observed: &Observed, generation: Option<i64>) -> Option<Duration> {
        let status = self.own_status()?;
        let desired = self.desired_argocd_secret();
        let record = status.argocd_repository.clone();
        let is_used = desired.is_some() || record.is_some() || argocd_repository_problem(Some(status)).is_some();
        // If the spec changed meanwhile, its event starts another pass.
        let is_up_to_date = self.snapshot.object.metadata.generation == generation
            && status.observed_generation == generation
            && self.snapshot.object.metadata.deletion_timestamp.is_none();
        if !is_used || !is_up_to_date || !self.ctx.claim.is_held() {
            return None;
        }
        let token_id = status.token.as_ref().map(|token| token.id.clone());
        let former = record.as_ref().filter(|record| desired.as_ref().is_none_or(|one| one.name != record.name));
        if let Some(former) = former.cloned() {
            if let Err(state) = self.delete_recorded(&former.name).await {
                let report = report(Some(former), desired.as_ref(), &state);
                return self.write_argocd_report(observed, report).await;
            }
        }
        let Some(desired) = desired else {
            return self.write_argocd_report(observed, report(None, None, &State::Synced)).await;
        };
        let record = record.filter(|record| record.name == desired.name);
        let Some(token_id) = token_id else {
            return self.write_argocd_report(observed, report(record, Some(&desired), &State::Pending)).await;
        };
        let settings = desired.hash(&self.registries_of_secret());
        if is_current(record.as_ref(), (&token_id, &settings), self.cached_version(&desired.name).as_deref()) {
            return self.write_argocd_report(observed, report(record, Some(&desired), &State::Synced)).await;
        }
        let record = match record {
            Some(record) => record,
            None => {
                let record = new_record(&desired.name, &token_id);
                if !self.store_argocd_report(observed, prepared(record.clone())).await {
                    return Some(RETRY_INTERVAL);
                }
                record
            }
        };
        let (exists, state, version) = self.apply_argocd_secret(&desired).await;
        let name = desired.name.clone();
        let synced = RecordedArgoCDRepository {
            name,
            resource_version: version,
            token_id: Some(token_id),
            settings: Some(settings),
        };
        let record = record_after(record, exists, &state, synced);
        self.write_argocd_report(observed, report(Some(record), Some(&desired), &state)).await
    }

    fn desired_argocd_secret(&self) -> Option<Desired> {
        let object = &self.snapshot.object;
        object.argocd_repository().map(|spec| Desired::new(spec, &object.name_any(), &self.snapshot.secret_name()))
    }

    /// The hash of the registries for which the pull secret was written.
    fn registries_of_secret(&self) -> String {
        let annotations = self.snapshot.secret.as_ref().and_then(|meta| meta.annotations.as_ref());
        annotations.and_then(|all| all.get(REGISTRIES_ANNOTATION)).cloned().unwrap_or_default()
    }

    fn cached_version(&self, name: &str) -> Option<String> {
        let key = ObjectRef::<CachedSecret>::new(name).within(&self.snapshot.namespace());
        self.ctx.secrets.get(&key)?.meta()?.resource_version
    }

    /// Writes what is known of the Secret into the status. Returns when it has to be checked again.
    async fn write_argocd_report(&mut self, observed: &Observed, report: Report) -> Option<Duration> {
        let retry_after = report.retry_after;
        if self.store_argocd_report(observed, report).await { retry_after } else { Some(RETRY_INTERVAL) }
    }

    /// Returns whether the status says it now.
    async fn store_argocd_report(&mut self, observed: &Observed, report: Report) -> bool {
        let former = self.snapshot.object.status.clone();
        let context = StatusContext { now: self.ctx.clock.now(), ..StatusContext::of(observed) };
        let status = next_status(former.as_ref(), &context, StatusEvent::ArgoCDRepositoryChecked(report));
        if former.as_ref() == Some(&status) {
            return true;
        }
        if !matches!(self.write_status(status).await, Response::Object(Some(_))) {
            return false;
        }
        self.emit_argocd_event(former.as_ref()).await;
        true
    }

    /// Emits an event when the Secret needs the user's attention.
    async fn emit_argocd_event(&self, former: Option<&RegistryTokenStatus>) {
        let Some((reason, message)) = argocd_repository_problem(self.snapshot.object.status.as_ref()) else { return };
        let told = [Reason::ArgoCDRepositoryNotServed, Reason::SecretNotOwned, Reason::SecretRejected];
        let is_new = argocd_repository_problem(former).is_none_or(|(former, _)| former != reason);
        if is_new && told.iter().any(|one| one.to_string() == reason) {
            self.ctx.events.emit(&self.snapshot.reference(), false, reason, message).await;
        }
    }
}
