//! Reads and writes the pull secret. Every write is guarded by the version that was read: the Secret is the lock of the
//! request protocol.

use super::secret_patch;
use super::secret_patch::SecretPatch;
use super::{Executor, checksum, response_from_api_error};
use crate::controller::api_call::{ApiError, call};
use crate::controller::field_manager::{patch_params, post_params};
use crate::controller::live_secret;
use crate::domain::model::dockerconfig;
use crate::domain::model::dockerconfig::{DATA_KEY, DockerLogin, SECRET_TYPE};
use crate::domain::model::foreign_login;
use crate::domain::model::pull_secret::{MAX_NAME_BYTES, MAX_SECRET_BYTES, Reservation, SecretMeta, StoredToken};
use crate::domain::protocol::{Response, SecretContent, SecretWrite};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use secrecy::ExposeSecret;
use serde_json::Value;

impl Executor<'_> {
    fn patch_builder(&self) -> SecretPatch<'_> {
        let registries = self.snapshot.issuer.as_ref().map_or("", |issuer| &issuer.info.registries_hash);
        SecretPatch {
            object: &self.snapshot.object,
            registries,
            without_template: self.without_template,
            now: self.ctx.clock.now(),
        }
    }

    pub(super) fn set_secret_meta(&mut self, mut meta: Option<ObjectMeta>) -> Option<Box<SecretMeta>> {
        if let Some(meta) = meta.as_mut() {
            meta.managed_fields = None;
        }
        self.snapshot.secret = meta;
        self.snapshot.secret.as_ref().map(|meta| Box::new(self.snapshot.parse_secret(self.ctx, meta)))
    }

    /// Reads the Secret's metadata live.
    pub(crate) async fn read_secret(&mut self) -> Response {
        let secrets = self.snapshot.secrets(self.ctx);
        match call("read the Secret", secrets.get_metadata_opt(&self.snapshot.secret_name())).await {
            Ok(found) => Response::Secret(self.set_secret_meta(found.map(|secret| secret.metadata))),
            Err(error) => response_from_api_error(error),
        }
    }

    /// Reads the whole Secret live. Its data stay in the executor.
    pub(crate) async fn read_content(&mut self) -> Response {
        // From now on a login check refers to the content that is read here: no attempt reads it while a token is
        // uncommitted.
        self.uncommitted = None;
        let found = match self.get_secret().await {
            Ok(found) => found,
            Err(error) => return response_from_api_error(error),
        };
        let Some(found) = found else {
            self.snapshot.secret = None;
            return Response::Content(None);
        };
        let content = self.classify_content(&found);
        match self.set_secret_meta(Some(found.metadata)) {
            Some(meta) => Response::Content(Some(Box::new((*meta, content)))),
            None => Response::Content(None),
        }
    }

    pub(crate) async fn get_secret(&self) -> Result<Option<Secret>, ApiError> {
        let (namespace, name) = (self.snapshot.namespace(), self.snapshot.secret_name());
        call("read the Secret", live_secret::get(&self.ctx.client, &namespace, &name)).await
    }

    fn classify_content(&self, found: &Secret) -> SecretContent {
        if found.type_.as_deref() != Some(SECRET_TYPE) {
            return SecretContent::WrongType;
        }
        let data = found.data.as_ref().and_then(|data| data.get(DATA_KEY)).map(|content| content.0.as_slice());
        let Some((data, login)) = data.and_then(|data| Some((data, dockerconfig::parse_login(data)?))) else {
            let immutable = found.immutable == Some(true);
            return if immutable { SecretContent::Immutable { username: None } } else { SecretContent::Empty };
        };
        let verified = checksum::verify(&self.snapshot.uid(), &found.metadata, data);
        if found.immutable == Some(true) {
            return SecretContent::Immutable { username: verified.then_some(login.username) };
        }
        let mut wanted = self.snapshot.issuer.as_ref().map(|issuer| issuer.hosts.clone()).unwrap_or_default();
        wanted.sort_unstable();
        SecretContent::Login {
            registries_match: login.hosts == wanted,
            checksum_valid: verified,
            template_applied: self.patch_builder().matches_template(&found.metadata),
            username: login.username,
        }
    }

    pub(crate) async fn write_secret(&mut self, write: &SecretWrite) -> Response {
        let written = match (write, self.snapshot.secret.clone()) {
            (SecretWrite::Reserve(reservation), None) => return self.create_or_drop_template(reservation).await,
            (_, None) => return Response::Conflict,
            (SecretWrite::Reserve(reservation), Some(meta)) => {
                self.patch(&self.patch_builder().reserve(&meta, reservation), false).await
            }
            (SecretWrite::ClearReservation, Some(meta)) => {
                self.patch(&SecretPatch::clear_reservation(&meta), false).await
            }
            (SecretWrite::Close, Some(meta)) => self.patch(&self.patch_builder().close(&meta), false).await,
            (SecretWrite::RemoveLogin, Some(meta)) => self.remove_login(&meta).await,
            (SecretWrite::ClearToken, Some(meta)) => self.patch(&SecretPatch::clear_token(&meta), false).await,
            (SecretWrite::Orphan(markers), Some(meta)) => {
                self.patch(&self.patch_builder().orphan(&meta, markers, &self.ctx.keyring.keys()), false).await
            }
            (SecretWrite::Commit(stored), Some(meta)) => return self.commit(stored, &meta).await,
            (SecretWrite::Repair(signature), Some(meta)) => {
                let patch = |patch: SecretPatch<'_>, content: &[u8]| patch.repair(&meta, signature, content);
                return self.rewrite(&meta, |content, _| dockerconfig::parse_login(content), patch).await;
            }
            (SecretWrite::Import(stored), Some(meta)) => {
                let patch = |patch: SecretPatch<'_>, content: &[u8]| patch.commit(&meta, stored, content);
                return self.rewrite(&meta, parse_foreign_login, patch).await;
            }
            (SecretWrite::RestoreOwnership, Some(meta)) => {
                self.patch(&self.patch_builder().restore_ownership(&meta), false).await
            }
        };
        self.write_result(written)
    }

    /// Removes the login. The data of an immutable Secret cannot be changed: there only the record is removed.
    async fn remove_login(&self, meta: &ObjectMeta) -> Result<ObjectMeta, ApiError> {
        let written = self.patch(&SecretPatch::remove_login(meta), false).await;
        let Err(rejection @ ApiError::Rejected(..)) = written else { return written };
        match self.get_secret().await? {
            Some(found) if found.immutable == Some(true) => {
                self.patch(&SecretPatch::remove_login_record(meta), false).await
            }
            _ => Err(rejection),
        }
    }

    /// Creates the Secret; if the labels and annotations of the spec are rejected, without them.
    async fn create_or_drop_template(&mut self, reservation: &Reservation) -> Response {
        let created = match self.create_secret(reservation).await {
            Err(rejection @ ApiError::Rejected(..)) if self.has_template() => {
                self.without_template = true;
                if let Ok(secret) = self.create_secret(reservation).await {
                    let response = self.create_result(Ok(secret));
                    return response_without_template(response, &rejection);
                }
                self.without_template = false;
                Err(rejection)
            }
            created => created,
        };
        self.create_result(created)
    }

    async fn create_secret(&self, reservation: &Reservation) -> Result<Secret, ApiError> {
        let secret = self.patch_builder().new_secret(reservation);
        let params = post_params();
        call("create the Secret", self.snapshot.secrets(self.ctx).create(&params, &secret)).await
    }

    fn has_template(&self) -> bool {
        let template = self.snapshot.object.spec.secret.as_ref();
        let has_any = template.is_some_and(|secret| !secret.labels.is_empty() || !secret.annotations.is_empty());
        has_any && !self.without_template
    }

    /// Classifies a Secret as it was created: admission may have changed it.
    fn create_result(&mut self, created: Result<Secret, ApiError>) -> Response {
        let secret = match created {
            Ok(secret) => secret,
            Err(error) => return response_from_api_error(error),
        };
        let content = match (secret.type_.as_deref(), secret.immutable) {
            (Some(SECRET_TYPE), None | Some(false)) => None,
            (Some(SECRET_TYPE), Some(true)) => Some(SecretContent::Immutable { username: None }),
            _ => Some(SecretContent::WrongType),
        };
        let meta = self.set_secret_meta(Some(secret.metadata));
        match (content, meta) {
            (Some(content), Some(meta)) => Response::Content(Some(Box::new((*meta, content)))),
            (_, meta) => Response::Secret(meta),
        }
    }

    fn write_result(&mut self, written: Result<ObjectMeta, ApiError>) -> Response {
        match written {
            Ok(meta) => Response::Secret(self.set_secret_meta(Some(meta))),
            Err(error) => response_from_api_error(error),
        }
    }

    /// Only metadata are requested in the response, so that no password is sent back.
    async fn patch(&self, body: &Value, dry_run: bool) -> Result<ObjectMeta, ApiError> {
        let params = PatchParams { dry_run, ..patch_params() };
        let (name, secrets) = (self.snapshot.secret_name(), self.snapshot.secrets(self.ctx));
        let patch = Patch::Merge(body);
        let written = call("write the Secret", secrets.patch_metadata(&name, &params, &patch)).await?;
        Ok(written.metadata)
    }

    /// Finds out, before a token exists, whether its commit would be rejected: with names and password of maximum
    /// length.
    ///
    /// Rejected labels and annotations do not block a token: if the commit succeeds without them, it is made without
    /// them.
    pub(crate) async fn dry_run_commit(&mut self, stored: &StoredToken) -> Response {
        let (Some(issuer), Some(meta)) = (&self.snapshot.issuer, self.snapshot.secret.clone()) else {
            return Response::Conflict;
        };
        let (username, secret) = ("0".repeat(MAX_NAME_BYTES), "0".repeat(MAX_SECRET_BYTES));
        let Ok(content) = dockerconfig::encode(&issuer.hosts, &username, &secret) else { return Response::Conflict };
        self.without_template = false;
        let rejection = match self.patch(&self.patch_builder().commit(&meta, stored, &content), true).await {
            Ok(_) => return Response::Done,
            Err(error @ ApiError::Rejected(..)) => error,
            Err(error) => return response_from_api_error(error),
        };
        self.without_template = true;
        if self.patch(&self.patch_builder().commit(&meta, stored, &content), true).await.is_ok() {
            return Response::DoneWithoutTemplate(rejection.to_string());
        }
        self.without_template = false;
        response_from_api_error(rejection)
    }

    async fn commit(&mut self, stored: &StoredToken, meta: &ObjectMeta) -> Response {
        let (Some(issuer), Some(token)) = (&self.snapshot.issuer, &self.uncommitted) else { return Response::Conflict };
        let Ok(content) = dockerconfig::encode(&issuer.hosts, &token.username, token.secret.expose_secret()) else {
            return Response::OutcomeUnknown("the token cannot be encoded as JSON".to_owned());
        };
        self.patch_and_wipe(self.patch_builder().commit(meta, stored, &content)).await
    }

    /// Writes the same login again.
    async fn rewrite(
        &mut self,
        meta: &ObjectMeta,
        parse: fn(&[u8], &[String]) -> Option<DockerLogin>,
        patch: impl Fn(SecretPatch<'_>, &[u8]) -> Value,
    ) -> Response {
        let found = match self.get_secret().await {
            Ok(Some(found)) => found,
            Ok(None) => return Response::Conflict,
            Err(error) => return response_from_api_error(error),
        };
        let data = found.data.as_ref().and_then(|data| data.get(DATA_KEY)).map(|content| content.0.as_slice());
        let Some(issuer) = &self.snapshot.issuer else { return Response::Conflict };
        let Some(login) = data.and_then(|content| parse(content, &issuer.hosts)) else { return Response::Conflict };
        if found.metadata.resource_version != meta.resource_version {
            return Response::Conflict;
        }
        let content = dockerconfig::encode(&issuer.hosts, &login.username, &login.password);
        let Ok(content) = content else { return Response::Conflict };
        let rejection = match self.patch_and_wipe(patch(self.patch_builder(), &content)).await {
            Response::WriteRejected(rejection) if self.has_template() => rejection,
            response => return response,
        };
        // Rejected labels and annotations do not keep new registries or a repaired login from the pods.
        self.without_template = true;
        let response = self.patch_and_wipe(patch(self.patch_builder(), &content)).await;
        self.without_template = false;
        match response {
            Response::Secret(Some(secret)) => Response::SecretWithoutTemplate(secret, rejection),
            _ => Response::WriteRejected(rejection),
        }
    }

    /// Writes content and wipes it from memory.
    async fn patch_and_wipe(&mut self, body: Value) -> Response {
        let written = self.patch(&body, false).await;
        secret_patch::wipe(body);
        self.write_result(written)
    }
}

fn parse_foreign_login(content: &[u8], registries: &[String]) -> Option<DockerLogin> {
    foreign_login::parse(content, registries).ok()
}

/// Reports that a Secret was written without its template.
fn response_without_template(response: Response, rejection: &ApiError) -> Response {
    match response {
        Response::Secret(Some(secret)) => Response::SecretWithoutTemplate(secret, rejection.to_string()),
        other => other,
    }
}
