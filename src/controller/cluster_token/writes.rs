//! Writes the `RegistryToken`s of a `ClusterRegistryToken`. Each write is a task of its own, so that a slow namespace
//! delays no other one.

use super::view::Tokens;
use crate::api::{
    COPIED_REQUESTS_ANNOTATION, ClusterRegistryToken, FINALIZER, LAST_APPLIED_KEYS_ANNOTATION, Reason, RegistryToken,
    UNMATCHED_SINCE_ANNOTATION,
};
use crate::controller::api_call::{ApiError, call};
use crate::controller::context::{Context, SharedContext};
use crate::controller::decode::prune::live_token;
use crate::controller::field_manager::{patch_params, post_params};
use crate::controller::issuer::status::merge_patch;
use crate::controller::state::template_facts::controller_of;
use crate::domain::cluster_token::render::{Desired, label_value, recorded_keys};
use crate::domain::cluster_token::{Action, Write};
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::transient;
use crate::domain::retry::backoff;
use crate::kube_client::objects::ObjectClient;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::Patch;
use kube::core::{Selector, SelectorExt};
use kube::{Resource, ResourceExt};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Maximum number of writes of one object in progress.
pub const MAX_RUNNING: usize = 16;
/// A rejected write is repeated ten times slower than one that failed: someone has to change something first.
const REJECTED_FACTOR: u32 = 10;

/// Starts these writes, as far as their namespaces are free. Returns whether some have to wait.
pub fn start(object: &Arc<ClusterRegistryToken>, writes: Vec<Write>, tokens: &Tokens, ctx: &SharedContext) -> bool {
    let uid = object.uid().unwrap_or_default();
    let (started, waits) = ctx.cluster_tokens.with(&uid, |state| {
        let room = MAX_RUNNING.saturating_sub(state.running());
        let (mut started, mut waits) = (vec![], false);
        for write in writes {
            if state.is_busy(&write.namespace) {
                continue;
            }
            if started.len() == room {
                waits = true;
                break;
            }
            state.start_write(&write.namespace, tokens.version(&write.namespace));
            started.push(write);
        }
        (started, waits)
    });
    for write in started {
        let (object, ctx) = (Arc::clone(object), Arc::clone(ctx));
        tokio::spawn(async move { run(&object, write, &ctx).await });
    }
    waits
}

async fn run(object: &ClusterRegistryToken, write: Write, ctx: &Context) {
    let Write { namespace, action, fingerprint } = write;
    let (uid, name) = (object.uid().unwrap_or_default(), object.token_name());
    let writer = Writer { object, namespace: &namespace, name: &name, ctx };
    let running = ctx.in_flight.begin();
    let result = if running.is_some() && ctx.claim.is_held() { writer.write(&action).await } else { Ok(()) };
    tracing::debug!(object = %object.name_any(), namespace, ?action, ?result, "write of a RegistryToken ended");
    let failed = result.err().and_then(|error| writer.problem(error)).map(|problem| {
        tracing::warn!(object = %object.name_any(), namespace, reason = %problem.reason, detail = problem.message, "RegistryToken not written");
        let failures = ctx.cluster_tokens.with(&uid, |state| state.memory.failures_with(&namespace, fingerprint));
        let wait = backoff::delay(failures, ctx.jitter()) * if problem.terminal { REJECTED_FACTOR } else { 1 };
        let retry_at = ctx.clock.now().checked_add(wait).unwrap_or_else(|_| ctx.clock.now());
        (problem, retry_at)
    });
    ctx.cluster_tokens.with(&uid, |state| state.end_write(&namespace, fingerprint, failed));
    drop(running);
    ctx.cluster_tokens.requeue(&object.name_any());
}

/// Writes in one namespace.
struct Writer<'a> {
    object: &'a ClusterRegistryToken,
    namespace: &'a str,
    name: &'a str,
    ctx: &'a Context,
}

impl Writer<'_> {
    fn tokens(&self) -> ObjectClient<RegistryToken> {
        ObjectClient::namespaced(self.ctx.client.clone(), self.namespace).with_parser(live_token)
    }

    async fn write(&self, action: &Action) -> Result<(), ApiError> {
        match action {
            Action::Create(desired) => self.create(desired).await,
            Action::Update(desired) => self.update(desired).await,
            Action::MarkUnmatched(since) => self.annotate(json!(since.to_string())).await,
            Action::ClearUnmatched => self.annotate(Value::Null).await,
            Action::Delete => self.delete().await,
        }
    }

    async fn create(&self, desired: &Desired) -> Result<(), ApiError> {
        let mut annotations = desired.annotations.clone();
        annotations.insert(LAST_APPLIED_KEYS_ANNOTATION.to_owned(), desired.keys.clone());
        if let Some(requests) = &desired.requests {
            annotations.extend(requests.annotations.clone());
            annotations.insert(COPIED_REQUESTS_ANNOTATION.to_owned(), requests.hash.clone());
        }
        let metadata = ObjectMeta {
            name: Some(self.name.to_owned()),
            namespace: Some(self.namespace.to_owned()),
            labels: Some(desired.labels.clone()),
            annotations: Some(annotations),
            owner_references: Some(vec![owner_reference(self.object)]),
            // The token is requested by this operator, which would add it first.
            finalizers: Some(vec![FINALIZER.to_owned()]),
            ..ObjectMeta::default()
        };
        let token = RegistryToken { metadata, spec: desired.spec.clone(), status: None };
        call("create the RegistryToken", self.tokens().create(&post_params(), &token)).await.map(drop)
    }

    /// Reads the `RegistryToken` and changes what differs.
    async fn update(&self, desired: &Desired) -> Result<(), ApiError> {
        let Some(live) = self.read_own().await? else { return Ok(()) };
        let patch = Patch::Merge(update_patch(&live, desired, self.object));
        call("change the RegistryToken", self.tokens().patch(self.name, &patch_params(), &patch)).await.map(drop)
    }

    async fn annotate(&self, since: Value) -> Result<(), ApiError> {
        let Some(live) = self.read_own().await? else { return Ok(()) };
        let patch = Patch::Merge(json!({"metadata": {
            "uid": live.uid(), "resourceVersion": live.resource_version(),
            "annotations": {UNMATCHED_SINCE_ANNOTATION: since},
        }}));
        call("annotate the RegistryToken", self.tokens().patch(self.name, &patch_params(), &patch)).await.map(drop)
    }

    /// Deletes the `RegistryToken`, unless its namespace matches now. Caches may be stale, so both are read.
    async fn delete(&self) -> Result<(), ApiError> {
        if self.object.metadata.deletion_timestamp.is_none() && self.matches_now().await? {
            return Ok(());
        }
        let Some(live) = self.read_own().await? else { return Ok(()) };
        let (uid, version) = (live.uid().unwrap_or_default(), live.resource_version().unwrap_or_default());
        tracing::info!(object = %self.object.name_any(), namespace = self.namespace, "deleting the RegistryToken");
        match call("delete the RegistryToken", self.tokens().delete_version(self.name, &uid, &version)).await {
            Err(ApiError::NotFound(_)) => Ok(()),
            done => done,
        }
    }

    async fn matches_now(&self) -> Result<bool, ApiError> {
        let namespaces: ObjectClient<Namespace> = ObjectClient::all(self.ctx.client.clone());
        let found = call("read the namespace", namespaces.get_metadata_opt(self.namespace)).await?;
        let labels = found.and_then(|found| found.metadata.labels).unwrap_or_default();
        let selector = Selector::try_from(self.object.spec.namespace_selector.clone());
        Ok(selector.map_or(true, |selector| selector.matches(&labels)))
    }

    /// Reads the `RegistryToken`; `None` if it does not exist, is being deleted, or belongs to someone else.
    async fn read_own(&self) -> Result<Option<RegistryToken>, ApiError> {
        let live = call("read the RegistryToken", self.tokens().get_opt(self.name)).await?;
        let label = label_value(&self.object.name_any());
        let is_own = |token: &RegistryToken| match controller_of(token) {
            Some(controller) => self.object.uid().as_ref() == Some(&controller.uid),
            // An object that is being deleted takes nothing over.
            None => {
                self.object.metadata.deletion_timestamp.is_none()
                    && token.labels().get(crate::api::CLUSTER_TOKEN_LABEL) == Some(&label)
            }
        };
        Ok(live.filter(|token| token.metadata.deletion_timestamp.is_none() && is_own(token)))
    }

    /// Why a write failed; `None` if it is not a failure.
    fn problem(&self, error: ApiError) -> Option<Problem> {
        match error {
            // The namespace or the object is gone.
            ApiError::NotFound(_) => None,
            ApiError::Rejected(_, why) if why.contains("being terminated") => {
                Some(transient(Reason::TokenRejected, "the namespace is being deleted".to_owned()))
            }
            ApiError::Rejected(_, why) => Some(Problem {
                reason: Reason::TokenRejected,
                message: format!(
                    "the API server rejects the RegistryToken {}/{}: {why}. Change the quota, policy or permission named there, or the template. The operator retries within five minutes",
                    self.namespace, self.name
                ),
                terminal: true,
            }),
            error => Some(error.into()),
        }
    }
}

fn owner_reference(object: &ClusterRegistryToken) -> OwnerReference {
    OwnerReference {
        api_version: ClusterRegistryToken::api_version(&()).into_owned(),
        kind: ClusterRegistryToken::kind(&()).into_owned(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The patch that makes a `RegistryToken` what the template says, guarded by the version that was read.
fn update_patch(live: &RegistryToken, desired: &Desired, object: &ClusterRegistryToken) -> Value {
    let record = live.annotations().get(LAST_APPLIED_KEYS_ANNOTATION).map_or("", String::as_str);
    let [former_labels, former_annotations] = recorded_keys(record);
    let mut labels = removed(&former_labels);
    labels.extend(desired.labels.iter().map(|(key, value)| (key.clone(), json!(value))));
    let mut annotations = removed(&former_annotations);
    annotations.extend(desired.annotations.iter().map(|(key, value)| (key.clone(), json!(value))));
    annotations.insert(LAST_APPLIED_KEYS_ANNOTATION.to_owned(), json!(desired.keys));
    // A request is copied once: a user who changes the copy later has a request of their own.
    let copied = live.annotations().get(COPIED_REQUESTS_ANNOTATION);
    if let Some(requests) = desired.requests.as_ref().filter(|requests| copied != Some(&requests.hash)) {
        annotations.extend(requests.annotations.iter().map(|(key, value)| (key.clone(), json!(value))));
        annotations.insert(COPIED_REQUESTS_ANNOTATION.to_owned(), json!(requests.hash));
    }
    let mut metadata = json!({
        "uid": live.uid(), "resourceVersion": live.resource_version(), "labels": labels, "annotations": annotations,
    });
    if controller_of(live).is_none() {
        let own = owner_reference(object);
        let others = live.owner_references().iter().filter(|owner| owner.uid != own.uid).cloned();
        metadata["ownerReferences"] = json!(others.chain([own.clone()]).collect::<Vec<_>>());
    }
    json!({"metadata": metadata, "spec": merge_patch(&json!(live.spec), json!(desired.spec))})
}

fn removed(keys: &[&str]) -> Map<String, Value> {
    keys.iter().map(|key| ((*key).to_owned(), Value::Null)).collect()
}
