//! The MAC keys, which prove that the operator recorded a token. They are stored in a Secret in the operator's
//! namespace and shared by all replicas.
//!
//! The Secret is created before the first pass, and therefore before the first token request. The data key `current`
//! signs; every other one is accepted in addition, during a rotation. The Secret has our finalizer while tokens exist,
//! and annotations with the ids of its keys.

mod finalizer;

use super::api_call::{ApiError, call};
use super::context::Context;
use super::snapshot::Snapshot;
use super::state::keyring::record::KeyRecord;
use super::state::keyring::{KeyData, Keyring, LastRead};
use crate::api::{FINALIZER, MAC_ANNOTATION};
use crate::controller::field_manager::post_params;
use crate::domain::model::token_mac::{MIN_KEY_BYTES, MacKeys, key_id};
use crate::health::readiness::Readiness;
use crate::kube_client::objects::ObjectClient;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::core::Status;
use serde_json::json;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// The data key that signs.
const CURRENT_KEY: &str = "current";
/// How often the Secret is read.
const RELOAD_INTERVAL: Duration = Duration::from_mins(1);
/// How often to check whether the finalizer can be removed.
const RELEASE_POLL: Duration = Duration::from_millis(250);
/// Interval between attempts to read or create the Secret at startup.
const STARTUP_RETRY: Duration = Duration::from_secs(2);
/// The Secret is read immediately if a key is unknown, but not more often than this; a rejected write is not repeated
/// earlier either.
const MIN_RETRY_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub(super) enum MacKeyError {
    #[error("{0}")]
    Api(#[from] ApiError),
    #[error(
        "Secret {namespace}/{name} is not a MAC key: it needs the data key {CURRENT_KEY}, and each data key needs at least {MIN_KEY_BYTES} bytes. Restore the Secret, or delete it to have a new one created (docs/runbooks.md)"
    )]
    Invalid { namespace: String, name: String },
    #[error("system RNG unavailable")]
    Random,
    #[error("Secret {name} cannot be annotated with the time since which its keys sign")]
    NotAnnotated { name: String },
}

impl Keyring {
    /// Reads the Secret, or creates it if it does not exist. Returns whether the keys have changed.
    async fn load(&self, ctx: &Context) -> Result<bool, MacKeyError> {
        let mut state = self.state.lock().await;
        let found = match self.read(ctx).await? {
            Some(found) => found,
            None => self.create(ctx, state.last.as_ref()).await?,
        };
        let metadata = found.metadata;
        let data = found.data.unwrap_or_default().into_iter();
        let data: KeyData = data.map(|(key, bytes)| (key, Zeroizing::new(bytes.0))).collect();
        let (created, recorded) =
            (metadata.creation_timestamp.as_ref(), KeyRecord::read(metadata.annotations.as_ref()));
        let created = created.map(|time| time.0).unwrap_or_default();
        let ids = data.values().map(|key| key_id(key)).collect::<Option<_>>().ok_or_else(|| self.invalid(ctx))?;
        let remembered = state.last.as_ref().map(|last| &last.record);
        let record = KeyRecord::of(ids, remembered, recorded.as_ref(), created, ctx.clock.now());
        let signing = data.get(CURRENT_KEY).ok_or_else(|| self.invalid(ctx))?;
        let accepted = data.iter().filter(|(key, _)| *key != CURRENT_KEY).map(|(_, bytes)| bytes.as_slice());
        let keys = MacKeys::new(signing, accepted, record.since).ok_or_else(|| self.invalid(ctx))?;
        let changed = self.keys() != keys;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        let is_new = recorded.as_ref() != Some(&record);
        let mut is_recorded = true;
        self.in_memory_only.store(metadata.uid.is_none(), Ordering::SeqCst);
        if metadata.uid.is_some() {
            let protected = metadata.finalizers.iter().flatten().any(|one| one == FINALIZER);
            self.has_finalizer.store(protected, Ordering::SeqCst);
            if is_new && let Err(error) = self.write_record(ctx, &metadata, &record).await {
                tracing::warn!(secret = self.name, %error, "MAC key not annotated");
                is_recorded = false;
            }
            if ctx.caches_synced() && finalizer::is_needed(ctx) {
                self.add_finalizer(ctx, &mut state.last_rejected).await;
            }
        }
        state.last = Some(LastRead { data, record, is_recorded, read: Instant::now() });
        Ok(changed)
    }

    /// Reads the Secret again. Without a response the last keys stay.
    pub(super) async fn refresh(&self, ctx: &Context) {
        if let Err(error) = self.load(ctx).await {
            tracing::warn!(secret = self.name, %error, "MAC key unavailable, keeping the last one");
        }
    }

    /// Records that from now on every object may have been signed with a key of another installation, as if this one
    /// had lost its keys.
    pub(super) async fn expect_other_keys(&self, ctx: &Context) -> Result<(), MacKeyError> {
        if let Some(last) = &mut self.state.lock().await.last {
            last.record.since = ctx.clock.now();
        }
        self.load(ctx).await?;
        let state = self.state.lock().await;
        let is_recorded = state.last.as_ref().is_some_and(|last| last.is_recorded);
        if is_recorded { Ok(()) } else { Err(MacKeyError::NotAnnotated { name: self.name.clone() }) }
    }

    async fn read(&self, ctx: &Context) -> Result<Option<Secret>, ApiError> {
        call("read the MAC key", super::live_secret::get(&ctx.client, &ctx.namespace, &self.name)).await
    }

    /// Creates the Secret with the last keys or with a new one. If the namespace is being deleted or does not exist,
    /// the keys are used without a Secret, so that the remaining tokens can be revoked.
    async fn create(&self, ctx: &Context, last: Option<&LastRead>) -> Result<Secret, MacKeyError> {
        let (data, record) = if let Some(last) = last {
            (last.data.clone(), last.record.clone())
        } else {
            let key = random_key(ctx).ok_or(MacKeyError::Random)?;
            let ids = key_id(&key).into_iter().collect();
            let record = KeyRecord::of(ids, None, None, Timestamp::MIN, ctx.clock.now());
            (KeyData::from([(CURRENT_KEY.to_owned(), key)]), record)
        };
        let secrets: ObjectClient<Secret> = ObjectClient::namespaced(ctx.client.clone(), &ctx.namespace);
        let secret = self.build_secret(&ctx.namespace, &data, &record);
        let (params, what) = (post_params(), "create the MAC key");
        let created = async {
            match secrets.create(&params, &secret).await {
                Err(kube::Error::Api(status)) if is_namespace_gone(&status) => Ok(None),
                created => created.map(Some),
            }
        };
        match call(what, created).await {
            Ok(Some(created)) => {
                tracing::info!(secret = self.name, "MAC key created");
                Ok(created)
            }
            Ok(None) => {
                tracing::warn!(
                    secret = self.name,
                    namespace = ctx.namespace,
                    "the operator's namespace is being deleted or does not exist: the MAC key is only kept in memory, and tokens are verified again by their logins"
                );
                Ok(secret)
            }
            // Another replica created it first.
            Err(ApiError::AlreadyExists(_)) => Ok(self.read(ctx).await?.ok_or_else(|| self.invalid(ctx))?),
            Err(error) => Err(error.into()),
        }
    }

    async fn write_record(&self, ctx: &Context, metadata: &ObjectMeta, record: &KeyRecord) -> Result<(), ApiError> {
        let secrets: ObjectClient<Secret> = ObjectClient::namespaced(ctx.client.clone(), &ctx.namespace);
        let body = json!({
            "metadata": {"resourceVersion": metadata.resource_version, "annotations": record.annotations()},
        });
        let (params, patch) = (PatchParams::default(), Patch::Merge(&body));
        call("annotate the MAC key", secrets.patch_metadata(&self.name, &params, &patch)).await.map(drop)
    }

    fn build_secret(&self, namespace: &str, data: &KeyData, record: &KeyRecord) -> Secret {
        let data = data.iter().map(|(key, bytes)| (key.clone(), ByteString(bytes.to_vec())));
        Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(namespace.to_owned()),
                annotations: Some(record.annotations()),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(data.collect()),
            ..Secret::default()
        }
    }

    fn invalid(&self, ctx: &Context) -> MacKeyError {
        MacKeyError::Invalid { namespace: ctx.namespace.clone(), name: self.name.clone() }
    }
}

/// Whether a create failed because the namespace is being deleted or does not exist.
fn is_namespace_gone(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 404 || causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

fn random_key(ctx: &Context) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(ctx.random()?.to_vec());
    bytes.extend_from_slice(&ctx.random()?);
    Some(bytes)
}

/// Waits until keys are loaded. No pass starts before.
pub async fn wait_until_loaded(ctx: &Context, readiness: &Readiness) {
    while let Err(error) = ctx.keyring.load(ctx).await {
        readiness.set_mac_key_missing(true);
        tracing::warn!(secret = ctx.keyring.name, %error, "MAC key unavailable");
        sleep(STARTUP_RETRY).await;
    }
    // Keys in memory suffice to finish, but not to start in a namespace that does not exist.
    readiness.set_mac_key_missing(ctx.keyring.in_memory_only.load(Ordering::SeqCst));
}

/// Reloads changed keys and requeues every object, so that it is signed with the current key. Removes the finalizer
/// soon after the last object with a token is deleted, because the operator may be uninstalled next.
pub async fn maintain(ctx: &Context, stop: &CancellationToken) {
    let (mut read, mut needed) = (Instant::now(), None::<Instant>);
    loop {
        tokio::select! {
            () = sleep(RELEASE_POLL) => {}
            () = stop.cancelled() => return,
        }
        let may_release = needed.is_none_or(|at| at.elapsed() >= MIN_RETRY_INTERVAL);
        if ctx.may_start_pass() && may_release && ctx.keyring.is_unused(ctx) {
            needed = (!ctx.keyring.remove_finalizer(ctx).await).then(Instant::now);
        }
        if !ctx.caches_synced() || read.elapsed() < RELOAD_INTERVAL {
            continue;
        }
        read = Instant::now();
        match ctx.keyring.load(ctx).await {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(secret = ctx.keyring.name, "MAC key changed");
                ctx.requeue_all_tokens().await;
            }
            Err(error) => {
                tracing::warn!(secret = ctx.keyring.name, %error, "MAC key unavailable, keeping the last one");
            }
        }
    }
}

/// Reloads the keys if an object was signed with an unknown one, because another replica may have reloaded them. Adds
/// the finalizer before a token is requested.
pub async fn reload_if_unknown(ctx: &Context, snapshot: &Snapshot) {
    ctx.keyring.add_finalizer_for(ctx, &snapshot.object).await;
    let keys = ctx.keyring.keys();
    let status = snapshot.object.status.as_ref();
    let current = status.and_then(|status| status.token.as_ref()).and_then(|token| token.mac.as_ref());
    let previous = status.into_iter().flat_map(|status| &status.retiring).filter_map(|token| token.mac.as_ref());
    let annotations = snapshot.secret.as_ref().and_then(|meta| meta.annotations.as_ref());
    let stored = annotations.and_then(|annotations| annotations.get(MAC_ANNOTATION));
    if !current.into_iter().chain(previous).chain(stored).any(|mac| keys.is_signed_by_unknown_key(mac)) {
        return;
    }
    let recently =
        ctx.keyring.state.lock().await.last.as_ref().is_some_and(|last| last.read.elapsed() < MIN_RETRY_INTERVAL);
    if !recently {
        ctx.keyring.refresh(ctx).await;
    }
}
