//! Reads the second Secret and the pull secret, and writes the second one.

use super::body::{ArgoCDSecret, ReadSecret, classify, wipe};
use crate::api::{OWNER_LABEL, TOKEN_ID_ANNOTATION};
use crate::controller::api_call::{ApiError, call};
use crate::controller::executor::{Executor, checksum};
use crate::controller::field_manager::{patch_params, post_params};
use crate::controller::live_secret;
use crate::domain::argocd_repository::{Decision, Desired, Found, Source, State, decide};
use crate::domain::model::dockerconfig::{self, DATA_KEY, DockerLogin};
use crate::domain::model::token::same_id;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::Patch;
use serde_json::Value;
use zeroize::Zeroize;

/// How often a Secret that others change at the same moment is read again.
pub(super) const MAX_TRIES: u8 = 3;

impl Executor<'_> {
    /// Reads the Secret, then the pull secret, and writes the first one if it differs. Returns whether it existed, its state
    /// and its version. In this order, the login is never older than the one in a Secret that another instance wrote: its
    /// version guards the write.
    pub(super) async fn apply_argocd_secret(&self, desired: &Desired) -> (bool, State, Option<String>) {
        let mut exists = false;
        for _ in 0..MAX_TRIES {
            let found = match self.read_whole(&desired.name).await {
                Ok(found) => found,
                // Unknown, so what is recorded stays.
                Err(state) => return (true, state, None),
            };
            let (source, login) = match self.read_source(desired).await {
                Ok(source) => source,
                Err(state) => return (true, state, None),
            };
            let secret = ArgoCDSecret { object: &self.snapshot.object, desired };
            let matches = |found: &ReadSecret| login.as_ref().is_some_and(|login| secret.matches(found, login));
            let classified = classify(&self.snapshot.object, found.as_ref(), self.is_of_other(found.as_ref()), matches);
            exists = matches!(classified, Found::Ours { .. });
            let version = found.as_ref().and_then(|found| found.0.resource_version());
            let written = match (decide(classified, source), &found, &login) {
                (Decision::Done(state), ..) => return (exists, state, version),
                (Decision::Create, _, Some(login)) => self.create_argocd_secret(secret.new_secret(login)).await,
                (Decision::Update, Some(found), Some(login)) => {
                    self.patch_argocd_secret(&desired.name, secret.patch(found, login)).await
                }
                (Decision::Delete, Some(found), _) => {
                    self.delete_argocd_secret(&desired.name, &found.0.metadata).await.map(|()| None)
                }
                _ => Ok(None),
            };
            match written {
                Ok(Some(meta)) => {
                    tracing::info!(object = %self.snapshot.key(), secret = desired.name, "Secret for Argo CD written");
                    return (true, State::Synced, meta.resource_version);
                }
                // It is read again.
                Ok(None) | Err(ApiError::Conflict(_) | ApiError::AlreadyExists(_) | ApiError::NotFound(_)) => {}
                Err(error) => return (exists, state_of(error), None),
            }
        }
        (exists, State::Contended, None)
    }

    pub(super) async fn read_whole(&self, name: &str) -> Result<Option<ReadSecret>, State> {
        let namespace = self.snapshot.namespace();
        let found = call("read the Secret", live_secret::get(&self.ctx.client, &namespace, name)).await;
        found.map(|found| found.map(ReadSecret)).map_err(state_of)
    }

    /// The login in the pull secret, if it is that of the current token as the operator stored it.
    async fn read_source(&self, desired: &Desired) -> Result<(Source, Option<DockerLogin>), State> {
        let Some(mut secret) = self.get_secret().await.map_err(state_of)? else { return Ok((Source::NotStored, None)) };
        let content = secret.data.as_mut().and_then(|data| data.remove(DATA_KEY));
        let Some(mut content) = content else { return Ok((Source::NotStored, None)) };
        let is_intact = checksum::verify(&self.snapshot.uid(), &secret.metadata, &content.0);
        let login = dockerconfig::parse_login(&content.0);
        content.0.zeroize();
        let current = self.own_status().and_then(|status| status.token.as_ref());
        // Tokens may share a username; the checksum covers the id as well.
        let id = secret.metadata.annotations.as_ref().and_then(|all| all.get(TOKEN_ID_ANNOTATION));
        let is_stored = |login: &DockerLogin| {
            current.is_some_and(|token| id.is_some_and(|id| same_id(id, &token.id)) && token.username == login.username)
        };
        Ok(match login.filter(|login| is_intact && is_stored(login)) {
            None => (Source::NotStored, None),
            Some(login) if desired.is_served(&login.hosts) => (Source::Stored, Some(login)),
            Some(_) => (Source::NotServed, None),
        })
    }

    /// Whether the owner label of a Secret names another object, which exists.
    pub(super) fn is_of_other(&self, found: Option<&ReadSecret>) -> bool {
        let label = found.and_then(|found| found.0.metadata.labels.as_ref()).and_then(|labels| labels.get(OWNER_LABEL));
        label.is_some_and(|label| *label != self.snapshot.uid() && self.snapshot.object_exists(self.ctx, label))
    }

    /// Only metadata are requested in the responses, so that no password is sent back.
    async fn create_argocd_secret(&self, body: Value) -> Result<Option<ObjectMeta>, ApiError> {
        let secrets = self.snapshot.secrets(self.ctx);
        let object = serde_json::to_vec(&body).unwrap_or_default();
        wipe(body);
        let created = call("create the Secret", secrets.create_metadata(&post_params(), object)).await?;
        Ok(Some(created.metadata))
    }

    pub(super) async fn patch_argocd_secret(&self, name: &str, body: Value) -> Result<Option<ObjectMeta>, ApiError> {
        let secrets = self.snapshot.secrets(self.ctx);
        let params = patch_params();
        let patch = Patch::Merge(&body);
        let written = call("write the Secret", secrets.patch_metadata(name, &params, &patch)).await;
        wipe(body);
        Ok(Some(written?.metadata))
    }

    pub(super) async fn delete_argocd_secret(&self, name: &str, meta: &ObjectMeta) -> Result<(), ApiError> {
        let (uid, version) = (meta.uid.as_deref(), meta.resource_version.as_deref());
        let secrets = self.snapshot.secrets(self.ctx);
        let deletion = secrets.delete_version(name, uid.unwrap_or_default(), version.unwrap_or_default());
        call("delete the Secret", deletion).await?;
        tracing::info!(object = %self.snapshot.key(), secret = name, "Secret for Argo CD deleted");
        Ok(())
    }
}

pub(super) fn state_of(error: ApiError) -> State {
    match error {
        ApiError::Rejected(_, message) => State::Rejected(message),
        other => State::Unavailable(other.to_string()),
    }
}
