//! The keys that prove what the operator notes of tokens: a Secret in its namespace, shared by all replicas.
//!
//! It is created before the first pass, and so before the first request for a token. The data key `current` signs; every
//! other one is accepted beside it, during a rotation.

use super::caches::wake_all;
use super::cluster::{ClusterError, call};
use super::context::{Context, OPERATOR};
use super::world::{Shared, World};
use crate::api::{MAC_ANNOTATION, RegistryToken};
use crate::domain::token_mac::{MacKeys, SHORTEST_KEY};
use crate::kube_api::Objects;
use crate::readiness::Readiness;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::runtime::reflector::Store;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// The data key that signs.
const CURRENT: &str = "current";
/// How often the Secret is read.
const AGAIN: Duration = Duration::from_mins(1);
/// The same, while it cannot be read or created at the start.
const SOON: Duration = Duration::from_secs(2);
/// For a key that is not known it is read at once, and not more often than this.
const UNKNOWN: Duration = Duration::from_secs(10);

type Data = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// The keys as they were last read.
pub struct Keyring {
    name: String,
    keys: RwLock<MacKeys>,
    /// Kept so that a Secret that is deleted while the operator runs is created with the same keys.
    last: tokio::sync::Mutex<Option<(Data, Instant)>>,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    #[error(
        "the Secret {namespace}/{name} is no MAC key: it needs the data key {CURRENT}, and each of its data keys at least {SHORTEST_KEY} bytes. Restore it, or delete it to have a new one created (docs/runbooks.md)"
    )]
    Invalid { namespace: String, name: String },
    #[error("the system random number generator is not available")]
    Random,
}

impl Keyring {
    /// Nothing has been read yet.
    pub fn new(name: String) -> Self {
        Self { name, keys: RwLock::default(), last: tokio::sync::Mutex::default() }
    }

    /// The keys; none before the Secret was read for the first time.
    pub fn keys(&self) -> MacKeys {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the Secret, and creates it where there is none. Whether the keys have changed.
    async fn load(&self, ctx: &Context) -> Result<bool, Error> {
        let mut last = self.last.lock().await;
        let secrets: Objects<Secret> = Objects::namespaced(ctx.client.clone(), &ctx.namespace);
        let read = || call("read the MAC key", super::secrets::get(&ctx.client, &ctx.namespace, &self.name));
        let found = if let Some(found) = read().await? {
            found
        } else {
            let data = match &*last {
                Some((data, _)) => data.clone(),
                None => Data::from([(CURRENT.to_owned(), random(ctx).ok_or(Error::Random)?)]),
            };
            match call("create the MAC key", secrets.create(&params(), &self.secret(&ctx.namespace, &data))).await {
                Ok(created) => {
                    tracing::info!(secret = self.name, "MAC key created");
                    created
                }
                // Another replica was first.
                Err(ClusterError::Exists(_)) => read().await?.ok_or_else(|| self.invalid(ctx))?,
                Err(error) => return Err(error.into()),
            }
        };
        let since = found.metadata.creation_timestamp.as_ref().map(|time| time.0).unwrap_or_default();
        let data = found.data.unwrap_or_default().into_iter();
        let data: Data = data.map(|(key, bytes)| (key, Zeroizing::new(bytes.0))).collect();
        let signing = data.get(CURRENT).ok_or_else(|| self.invalid(ctx))?;
        let accepted = data.iter().filter(|(key, _)| *key != CURRENT).map(|(_, bytes)| bytes.as_slice());
        let keys = MacKeys::new(signing, accepted, since).ok_or_else(|| self.invalid(ctx))?;
        let changed = self.keys() != keys;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        *last = Some((data, Instant::now()));
        Ok(changed)
    }

    fn secret(&self, namespace: &str, data: &Data) -> Secret {
        let data = data.iter().map(|(key, bytes)| (key.clone(), ByteString(bytes.to_vec())));
        Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(data.collect()),
            ..Secret::default()
        }
    }

    fn invalid(&self, ctx: &Context) -> Error {
        Error::Invalid { namespace: ctx.namespace.clone(), name: self.name.clone() }
    }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(OPERATOR.to_owned()), ..PostParams::default() }
}

fn random(ctx: &Context) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(ctx.random()?.to_vec());
    bytes.extend_from_slice(&ctx.random()?);
    Some(bytes)
}

/// Waits until there are keys. No pass begins before.
pub async fn until_loaded(ctx: &Context, readiness: &Readiness) {
    while let Err(error) = ctx.keyring.load(ctx).await {
        readiness.keys_missing(true);
        tracing::warn!(secret = ctx.keyring.name, %error, "MAC key unavailable");
        sleep(SOON).await;
    }
    readiness.keys_missing(false);
}

/// Takes up changed keys: every object is looked at, and signed with the one that signs now.
pub async fn keep(ctx: &Shared, tokens: &Store<RegistryToken>, stop: &CancellationToken) {
    loop {
        tokio::select! {
            () = sleep(AGAIN) => {}
            () = stop.cancelled() => return,
        }
        if !ctx.is_open() {
            continue;
        }
        match ctx.keyring.load(ctx).await {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(secret = ctx.keyring.name, "MAC key changed");
                wake_all(ctx, tokens).await;
            }
            Err(error) => {
                tracing::warn!(secret = ctx.keyring.name, %error, "MAC key unavailable, keeping the last one");
            }
        }
    }
}

/// Reads the keys again where an object was signed with one that is not known: another replica may have read them since.
pub async fn learn(ctx: &Context, world: &World) {
    let keys = ctx.keyring.keys();
    let status = world.object.status.as_ref();
    let current = status.and_then(|status| status.token.as_ref()).and_then(|token| token.mac.as_ref());
    let former = status.into_iter().flat_map(|status| &status.retiring).filter_map(|token| token.mac.as_ref());
    let annotations = world.secret.as_ref().and_then(|meta| meta.annotations.as_ref());
    let stored = annotations.and_then(|annotations| annotations.get(MAC_ANNOTATION));
    if !current.into_iter().chain(former).chain(stored).any(|mac| keys.lacks(mac)) {
        return;
    }
    let recently = ctx.keyring.last.lock().await.as_ref().is_some_and(|(_, read)| read.elapsed() < UNKNOWN);
    if !recently && let Err(error) = ctx.keyring.load(ctx).await {
        tracing::warn!(secret = ctx.keyring.name, %error, "MAC key unavailable, keeping the last one");
    }
}
