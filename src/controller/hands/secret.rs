//! The pull secret: read, and written. Each write is guarded by the version that was read: the
//! Secret is the lock of the requesting protocol.

use super::secret_body::{self, Dress};
use super::{Hands, seal, unanswered};
use crate::controller::cluster::{ClusterError, call};
use crate::controller::context::OPERATOR;
use crate::controller::secrets;
use crate::domain::dockerconfig::{self, DATA_KEY, SECRET_TYPE};
use crate::domain::effect::{Answer, Content, Write};
use crate::domain::pull_secret::{LONGEST_NAME, LONGEST_SECRET, Reservation, SecretMeta, Stored};
use crate::domain::token_mac::Seal;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use secrecy::ExposeSecret;
use serde_json::Value;

impl Hands<'_> {
    fn dress(&self) -> Dress<'_> {
        let registries = self.world.issuer.as_ref().map_or("", |issuer| &issuer.facts.registries);
        Dress { object: &self.world.object, registries, without_template: self.without_template }
    }

    fn now_holds(&mut self, mut meta: Option<ObjectMeta>) -> Option<Box<SecretMeta>> {
        if let Some(meta) = meta.as_mut() {
            meta.managed_fields = None;
        }
        self.world.secret = meta;
        self.world.secret.as_ref().map(|meta| Box::new(self.world.parse(self.ctx, meta)))
    }

    /// The Secret's metadata past every cache.
    pub(super) async fn read_secret(&mut self) -> Answer {
        let secrets = self.world.secrets(self.ctx);
        match call("read the Secret", secrets.get_metadata_opt(&self.world.secret_name())).await {
            Ok(found) => Answer::Secret(self.now_holds(found.map(|secret| secret.metadata))),
            Err(error) => unanswered(error),
        }
    }

    /// The whole Secret past every cache. Its data stay here.
    pub(super) async fn read_content(&mut self) -> Answer {
        // From now on a login is meant with what is read: no attempt reads the content while it has a token in hand.
        self.token = None;
        let found = match self.whole().await {
            Ok(found) => found,
            Err(error) => return unanswered(error),
        };
        let Some(found) = found else {
            self.world.secret = None;
            return Answer::Content(None);
        };
        let content = self.judge(&found);
        match self.now_holds(Some(found.metadata)) {
            Some(meta) => Answer::Content(Some(Box::new((*meta, content)))),
            None => Answer::Content(None),
        }
    }

    pub(super) async fn whole(&self) -> Result<Option<Secret>, ClusterError> {
        let (namespace, name) = (self.world.namespace(), self.world.secret_name());
        call("read the Secret", secrets::get(&self.ctx.client, &namespace, &name)).await
    }

    fn judge(&self, found: &Secret) -> Content {
        if found.type_.as_deref() != Some(SECRET_TYPE) {
            return Content::WrongType;
        }
        let data = found.data.as_ref().and_then(|data| data.get(DATA_KEY)).map(|content| content.0.as_slice());
        let Some((data, login)) = data.and_then(|data| Some((data, dockerconfig::login(data)?))) else {
            let immutable = found.immutable == Some(true);
            return if immutable { Content::Immutable { holds: None } } else { Content::Nothing };
        };
        let intact = seal::intact(&self.world.uid(), &found.metadata, data);
        if found.immutable == Some(true) {
            return Content::Immutable { holds: intact.then_some(login.username) };
        }
        let mut wanted = self.world.issuer.as_ref().map(|issuer| issuer.hosts.clone()).unwrap_or_default();
        wanted.sort_unstable();
        Content::Login {
            registries: login.hosts == wanted,
            intact,
            dressed: self.dress().fits(&found.metadata),
            username: login.username,
        }
    }

    /// Performs a write of the protocol.
    pub(super) async fn write_secret(&mut self, write: &Write) -> Answer {
        let written = match (write, self.world.secret.clone()) {
            (Write::Reserve(reservation), None) => return self.create(reservation).await,
            (_, None) => return Answer::Conflict,
            (Write::Reserve(reservation), Some(meta)) => {
                self.patch(&self.dress().reserve(&meta, reservation), false).await
            }
            (Write::Drop, Some(meta)) => self.patch(&Dress::drop(&meta), false).await,
            (Write::Close, Some(meta)) => self.patch(&self.dress().close(&meta), false).await,
            (Write::Disown, Some(meta)) => self.patch(&Dress::disown(&meta), false).await,
            (Write::Release(marks), Some(meta)) => {
                self.patch(&self.dress().release(&meta, marks, &self.ctx.keyring.keys()), false).await
            }
            (Write::Commit(stored), Some(meta)) => return self.commit(stored, &meta).await,
            (Write::Repair(seal), Some(meta)) => return self.repair(&meta, seal).await,
            (Write::RestoreOwnership, Some(meta)) => self.patch(&self.dress().restore_ownership(&meta), false).await,
        };
        self.written(written)
    }

    /// Creates the Secret: without the labels and annotations of the spec where these are refused.
    async fn create(&mut self, reservation: &Reservation) -> Answer {
        let created = match self.try_create(reservation).await {
            Err(refusal @ ClusterError::Refused(..)) if self.has_template() => {
                self.without_template = true;
                if let Ok(secret) = self.try_create(reservation).await {
                    let answer = self.created(Ok(secret));
                    return but_for_template(answer, &refusal);
                }
                self.without_template = false;
                Err(refusal)
            }
            created => created,
        };
        self.created(created)
    }

    async fn try_create(&self, reservation: &Reservation) -> Result<Secret, ClusterError> {
        let secret = self.dress().new_secret(reservation);
        let params = PostParams { field_manager: Some(OPERATOR.to_owned()), ..PostParams::default() };
        call("create the Secret", self.world.secrets(self.ctx).create(&params, &secret)).await
    }

    fn has_template(&self) -> bool {
        let template = self.world.object.spec.secret.as_ref();
        let has_any = template.is_some_and(|secret| !secret.labels.is_empty() || !secret.annotations.is_empty());
        has_any && !self.without_template
    }

    /// A Secret as it was created: admission may have made something else of it.
    fn created(&mut self, created: Result<Secret, ClusterError>) -> Answer {
        let secret = match created {
            Ok(secret) => secret,
            Err(error) => return unanswered(error),
        };
        let content = match (secret.type_.as_deref(), secret.immutable) {
            (Some(SECRET_TYPE), None | Some(false)) => None,
            (Some(SECRET_TYPE), Some(true)) => Some(Content::Immutable { holds: None }),
            _ => Some(Content::WrongType),
        };
        let meta = self.now_holds(Some(secret.metadata));
        match (content, meta) {
            (Some(content), Some(meta)) => Answer::Content(Some(Box::new((*meta, content)))),
            (_, meta) => Answer::Secret(meta),
        }
    }

    fn written(&mut self, written: Result<ObjectMeta, ClusterError>) -> Answer {
        match written {
            Ok(meta) => Answer::Secret(self.now_holds(Some(meta))),
            Err(error) => unanswered(error),
        }
    }

    /// The answer is asked for without the data: a secret travels one way only.
    async fn patch(&self, body: &Value, dry_run: bool) -> Result<ObjectMeta, ClusterError> {
        let params = PatchParams { dry_run, field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() };
        let (name, secrets) = (self.world.secret_name(), self.world.secrets(self.ctx));
        let patch = Patch::Merge(body);
        let written = call("write the Secret", secrets.patch_metadata(&name, &params, &patch)).await?;
        Ok(written.metadata)
    }

    /// What a commit would be refused for, before a token exists: with the longest names and secret that it may have.
    ///
    /// Labels and annotations that are refused hold up no token: where the same commit succeeds without them, it is made
    /// without them.
    pub(super) async fn try_commit(&mut self, stored: &Stored) -> Answer {
        let (Some(issuer), Some(meta)) = (&self.world.issuer, self.world.secret.clone()) else {
            return Answer::Conflict;
        };
        let (username, secret) = ("0".repeat(LONGEST_NAME), "0".repeat(LONGEST_SECRET));
        let Ok(content) = dockerconfig::write(&issuer.hosts, &username, &secret) else { return Answer::Conflict };
        self.without_template = false;
        let refusal = match self.patch(&self.dress().commit(&meta, stored, &content), true).await {
            Ok(_) => return Answer::Done,
            Err(error @ ClusterError::Refused(..)) => error,
            Err(error) => return unanswered(error),
        };
        self.without_template = true;
        if self.patch(&self.dress().commit(&meta, stored, &content), true).await.is_ok() {
            return Answer::WithoutTemplate(refusal.to_string());
        }
        self.without_template = false;
        unanswered(refusal)
    }

    async fn commit(&mut self, stored: &Stored, meta: &ObjectMeta) -> Answer {
        let (Some(issuer), Some(token)) = (&self.world.issuer, &self.token) else { return Answer::Conflict };
        let Ok(content) = dockerconfig::write(&issuer.hosts, &token.username, token.secret.expose_secret()) else {
            return Answer::Unclear("the token cannot be written as JSON".to_owned());
        };
        self.fill(self.dress().commit(meta, stored, &content)).await
    }

    /// The same login, written anew.
    async fn repair(&mut self, meta: &ObjectMeta, seal: &Seal) -> Answer {
        let found = match self.whole().await {
            Ok(Some(found)) => found,
            Ok(None) => return Answer::Conflict,
            Err(error) => return unanswered(error),
        };
        let data = found.data.as_ref().and_then(|data| data.get(DATA_KEY)).map(|content| content.0.as_slice());
        let login = data.and_then(dockerconfig::login);
        let (Some(issuer), Some(login)) = (&self.world.issuer, login) else { return Answer::Conflict };
        if found.metadata.resource_version != meta.resource_version {
            return Answer::Conflict;
        }
        let content = dockerconfig::write(&issuer.hosts, &login.username, &login.password);
        let Ok(content) = content else { return Answer::Conflict };
        let refusal = match self.fill(self.dress().repair(meta, seal, &content)).await {
            Answer::Refused(refusal) if self.has_template() => refusal,
            answer => return answer,
        };
        // Labels and annotations that are refused keep no registry and no repaired login from the pods.
        self.without_template = true;
        let answer = self.fill(self.dress().repair(meta, seal, &content)).await;
        self.without_template = false;
        match answer {
            Answer::Secret(Some(secret)) => Answer::SecretWithoutTemplate(secret, refusal),
            _ => Answer::Refused(refusal),
        }
    }

    /// Writes content, and wipes it here.
    async fn fill(&mut self, body: Value) -> Answer {
        let written = self.patch(&body, false).await;
        secret_body::wipe(body);
        self.written(written)
    }
}

/// A Secret that was written without its template.
fn but_for_template(answer: Answer, refusal: &ClusterError) -> Answer {
    match answer {
        Answer::Secret(Some(secret)) => Answer::SecretWithoutTemplate(secret, refusal.to_string()),
        other => other,
    }
}
