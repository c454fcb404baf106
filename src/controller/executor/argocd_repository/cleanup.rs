//! Deletes the second Secret when the spec does not want it any more, and leaves it to its user under `Orphan`.

use super::body::{classify, release};
use super::write::{MAX_TRIES, state_of};
use crate::api::{DeletionPolicy, Reason};
use crate::controller::api_call::ApiError;
use crate::controller::executor::Executor;
use crate::domain::argocd_repository::{Found, State};
use std::time::Duration;

/// The release at the end of a deletion delays the finalizer no longer than this.
const MAX_RELEASE: Duration = Duration::from_secs(10);

/// What happens to a Secret that is not wanted any more.
#[derive(Clone, Copy)]
enum Change {
    Delete,
    Release,
}

impl Executor<'_> {
    /// Deletes the Secret of this name, if it belongs to this object.
    pub(super) async fn delete_recorded(&self, name: &str) -> Result<(), State> {
        self.change_own(name, Change::Delete).await
    }

    /// Under `Orphan` the Secret is left to its user before the finalizer is removed, as the pull secret is. Otherwise the
    /// garbage collector deletes it. A failure does not keep the object.
    pub(in crate::controller::executor) async fn release_argocd_secret(&self) {
        let object = &self.snapshot.object;
        let is_orphaned =
            object.metadata.deletion_timestamp.is_some() && object.spec.deletion_policy == DeletionPolicy::Orphan;
        let record = self.own_status().and_then(|status| status.argocd_repository.as_ref());
        let Some(record) = record.filter(|_| is_orphaned) else { return };
        let name = &record.name;
        let released = tokio::time::timeout(MAX_RELEASE, self.change_own(name, Change::Release)).await;
        if matches!(released, Ok(Ok(()))) {
            return;
        }
        tracing::warn!(object = %self.snapshot.key(), secret = name, ?released, "the Secret for Argo CD is not released");
        let note = format!(
            "the Secret {name:?} for Argo CD could not be left to you, so it is deleted with this object. Create it again from the pull secret if you need it"
        );
        self.ctx.events.emit(&self.snapshot.reference(), false, &Reason::SecretRejected.to_string(), &note).await;
    }

    /// Reads the Secret, and changes it if it belongs to this object.
    async fn change_own(&self, name: &str, change: Change) -> Result<(), State> {
        for _ in 0..MAX_TRIES {
            let Some(found) = self.read_whole(name).await? else { return Ok(()) };
            let is_of_other = self.is_of_other(Some(&found));
            if !matches!(classify(&self.snapshot.object, Some(&found), is_of_other, |_| true), Found::Ours { .. }) {
                return Ok(());
            }
            let meta = &found.0.metadata;
            let changed = match change {
                Change::Delete => self.delete_argocd_secret(name, meta).await,
                Change::Release => self.patch_argocd_secret(name, release(&self.snapshot.object, meta)).await.map(drop),
            };
            match changed {
                Ok(()) | Err(ApiError::NotFound(_)) => return Ok(()),
                Err(ApiError::Conflict(_)) => {}
                Err(error) => return Err(state_of(error)),
            }
        }
        Err(State::Contended)
    }
}
