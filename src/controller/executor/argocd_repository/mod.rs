//! Writes the second Secret, from which Argo CD reads the login, and deletes it.

mod body;
mod cleanup;
mod write;

use super::Executor;
use crate::api::{REGISTRIES_ANNOTATION, Reason, RecordedArgoCDRepository};
use crate::controller::state::secret_cache::CachedSecret;
use crate::domain::argocd_repository::{
    Desired, Report, State, is_current, new_record, prepared, record_after, report,
};
use crate::domain::observed::Observed;
use crate::domain::status::{StatusEvent, argocd_repository_problem};
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
        let former =
            record.as_ref().filter(|record| desired.as_ref().is_none_or(|one| one.name != record.name)).cloned();
        let report = match (self.delete_former(former.as_ref()).await, desired) {
            (Err(state), desired) => report(former, desired.as_ref(), &state),
            (Ok(()), None) => report(None, None, &State::Synced),
            (Ok(()), Some(desired)) => {
                let record = record.filter(|_| former.is_none());
                let Some(report) = self.check_argocd_secret(observed, record, &desired).await else {
                    return Some(RETRY_INTERVAL);
                };
                report
            }
        };
        let retry_after = report.retry_after;
        if self.write_argocd_report(observed, report).await { retry_after } else { Some(RETRY_INTERVAL) }
    }

    async fn delete_former(&self, former: Option<&RecordedArgoCDRepository>) -> Result<(), State> {
        let Some(former) = former else { return Ok(()) };
        self.delete_recorded(&former.name).await
    }

    /// Reads the Secret that the spec wants, if that is necessary, and writes it if it differs. `None` if its name could not
    /// be recorded before.
    async fn check_argocd_secret(
        &mut self,
        observed: &Observed,
        record: Option<RecordedArgoCDRepository>,
        desired: &Desired,
    ) -> Option<Report> {
        let token = self.own_status().and_then(|status| status.token.as_ref());
        let Some(token_id) = token.map(|token| token.id.clone()) else {
            return Some(report(record, Some(desired), &State::Pending));
        };
        let settings = desired.hash(&self.registries_of_secret());
        if is_current(record.as_ref(), (&token_id, &settings), self.cached_version(&desired.name).as_deref()) {
            return Some(report(record, Some(desired), &State::Synced));
        }
        let is_new = record.is_none();
        let record = record.unwrap_or_else(|| new_record(&desired.name, &token_id));
        if is_new && !self.write_argocd_report(observed, prepared(record.clone())).await {
            return None;
        }
        let (exists, state, resource_version) = self.apply_argocd_secret(desired).await;
        let (token_id, settings) = (Some(token_id), Some(settings));
        let synced = RecordedArgoCDRepository { name: desired.name.clone(), resource_version, token_id, settings };
        Some(report(Some(record_after(record, exists, &state, synced)), Some(desired), &state))
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

    /// Writes what is known of the Secret into the status. Returns whether the status says it now.
    async fn write_argocd_report(&mut self, observed: &Observed, report: Report) -> bool {
        let told = [Reason::ArgoCDRepositoryNotServed, Reason::SecretNotOwned, Reason::SecretRejected];
        self.record(observed, StatusEvent::ArgoCDRepositoryChecked(report), argocd_repository_problem, &told).await
    }
}
