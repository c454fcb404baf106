//! Writes to the pull secret. Each is guarded by the version that was read: the Secret is the
//! lock of the requesting protocol.

use crate::api::{
    ABANDONED_ANNOTATION, APPLIED_ANNOTATION, ATTEMPT_ANNOTATION, CLOSED_ANNOTATION, OWNER_LABEL,
    REGISTRIES_ANNOTATION, Reason, STORED_ANNOTATION, SecretTemplate, TOKEN_ID_ANNOTATION,
};
use crate::controller::cluster::{ClusterError, call};
use crate::controller::context::{Context, OPERATOR};
use crate::controller::world::World;
use crate::domain::attempt::{Answer, Fault};
use crate::domain::dockerconfig::{DATA_KEY, EMPTY, SECRET_TYPE};
use crate::domain::pull_secret::{Abandoned, Reservation, Stored};
use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A change of the Secret.
pub enum Change<'a> {
    /// Reserve; what is stored is no longer needed by anybody.
    Reserve(&'a Reservation),
    /// Take the reservation back.
    Drop,
    /// Take the reservation back, and keep these attempts for the portal to be searched.
    Abandon(&'a [Abandoned]),
    /// Close it for further attempts.
    Close(&'a [Abandoned]),
    /// The token in it is not ours to keep.
    Disown,
    /// Write a token.
    Commit {
        /// Which one.
        stored: &'a Stored,
        /// The content.
        content: &'a [u8],
        /// Hash of the registries.
        registries: &'a str,
    },
    /// Put labels, annotations and owner right, and the content where it is given.
    Repair {
        /// The content, with the same login.
        content: &'a [u8],
        /// Hash of the registries.
        registries: &'a str,
    },
}

/// Creates the Secret with a reservation and nothing else in it.
pub async fn create(world: &World, ctx: &Context, reservation: &Reservation) -> Result<ObjectMeta, ClusterError> {
    let mut annotations = template(world).annotations;
    annotations.insert(ATTEMPT_ANNOTATION.to_owned(), reservation.to_string());
    annotations.insert(APPLIED_ANNOTATION.to_owned(), applied(world));
    let mut labels = template(world).labels;
    labels.insert(OWNER_LABEL.to_owned(), world.uid());
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(world.secret_name()),
            namespace: Some(world.namespace()),
            labels: Some(labels),
            annotations: Some(annotations),
            owner_references: world.object.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        type_: Some(SECRET_TYPE.to_owned()),
        data: Some(BTreeMap::from([(DATA_KEY.to_owned(), ByteString(EMPTY.to_vec()))])),
        ..Secret::default()
    };
    let created = call("create the Secret", world.secrets(ctx).create(&params(false), &secret)).await?;
    Ok(created.metadata)
}

/// Changes the Secret at the version that `meta` holds. The answer is asked for without the data.
pub async fn change(
    world: &World,
    ctx: &Context,
    meta: &ObjectMeta,
    change: &Change<'_>,
    dry_run: bool,
) -> Result<ObjectMeta, ClusterError> {
    let mut annotations = Map::new();
    let mut labels = Map::new();
    let mut body = json!({"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version}});
    match change {
        Change::Reserve(reservation) => {
            annotations.insert(ATTEMPT_ANNOTATION.to_owned(), json!(reservation.to_string()));
            forget_stored(&mut annotations);
        }
        Change::Drop => clear(&mut annotations, ATTEMPT_ANNOTATION),
        Change::Abandon(abandoned) => abandon(&mut annotations, abandoned),
        Change::Close(abandoned) => {
            abandon(&mut annotations, abandoned);
            annotations.insert(CLOSED_ANNOTATION.to_owned(), json!("true"));
        }
        Change::Disown => forget_stored(&mut annotations),
        Change::Commit { stored, content, registries } => {
            abandon(&mut annotations, &[]);
            annotations.insert(STORED_ANNOTATION.to_owned(), json!(stored.attempt.to_string()));
            annotations.insert(TOKEN_ID_ANNOTATION.to_owned(), json!(stored.id));
            desire(world, meta, &mut labels, &mut annotations, registries);
            body["metadata"]["ownerReferences"] = owners(world, meta);
            body["data"] = json!({DATA_KEY: STANDARD.encode(content)});
        }
        Change::Repair { content, registries } => {
            desire(world, meta, &mut labels, &mut annotations, registries);
            body["metadata"]["ownerReferences"] = owners(world, meta);
            body["data"] = json!({DATA_KEY: STANDARD.encode(content)});
        }
    }
    body["metadata"]["annotations"] = Value::Object(annotations);
    body["metadata"]["labels"] = Value::Object(labels);
    let params = PatchParams { dry_run, field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() };
    let name = world.secret_name();
    let written =
        call("write the Secret", world.secrets(ctx).patch_metadata(&name, &params, &Patch::Merge(&body))).await?;
    Ok(written.metadata)
}

/// Whether labels, annotations and owner are as they should be.
pub fn in_order(world: &World, meta: &ObjectMeta) -> bool {
    let has = |map: Option<&BTreeMap<String, String>>, wanted: &BTreeMap<String, String>| {
        wanted.iter().all(|(key, value)| map.and_then(|map| map.get(key)) == Some(value))
    };
    let template = template(world);
    let noted = meta.annotations.as_ref().and_then(|map| map.get(APPLIED_ANNOTATION));
    has(meta.labels.as_ref(), &template.labels)
        && has(meta.annotations.as_ref(), &template.annotations)
        && noted == Some(&applied(world))
        && world.parse(meta).tied
}

fn params(dry_run: bool) -> PostParams {
    PostParams { dry_run, field_manager: Some(OPERATOR.to_owned()) }
}

fn template(world: &World) -> SecretTemplate {
    world.object.spec.secret.clone().unwrap_or_default()
}

fn clear(annotations: &mut Map<String, Value>, key: &str) {
    annotations.insert(key.to_owned(), Value::Null);
}

fn forget_stored(annotations: &mut Map<String, Value>) {
    clear(annotations, STORED_ANNOTATION);
    clear(annotations, TOKEN_ID_ANNOTATION);
}

fn abandon(annotations: &mut Map<String, Value>, abandoned: &[Abandoned]) {
    clear(annotations, ATTEMPT_ANNOTATION);
    let text = (!abandoned.is_empty()).then(|| Abandoned::join(abandoned));
    annotations.insert(ABANDONED_ANNOTATION.to_owned(), json!(text));
}

/// What came from the spec: `l:` labels, `a:` annotations.
fn names(world: &World) -> BTreeSet<String> {
    let template = template(world);
    let labels = template.labels.keys().map(|key| format!("l:{key}"));
    labels.chain(template.annotations.keys().map(|key| format!("a:{key}"))).collect()
}

fn applied(world: &World) -> String {
    names(world).into_iter().collect::<Vec<_>>().join(",")
}

fn desire(
    world: &World,
    meta: &ObjectMeta,
    labels: &mut Map<String, Value>,
    annotations: &mut Map<String, Value>,
    registries: &str,
) {
    let noted = meta.annotations.as_ref().and_then(|map| map.get(APPLIED_ANNOTATION)).cloned().unwrap_or_default();
    let wanted = names(world);
    for former in noted.split(',').filter(|name| !wanted.contains(*name)) {
        // What left the spec leaves the Secret.
        match former.split_once(':') {
            Some(("l", key)) => clear(labels, key),
            Some(("a", key)) => clear(annotations, key),
            _ => {}
        }
    }
    let template = template(world);
    labels.extend(template.labels.into_iter().map(|(key, value)| (key, json!(value))));
    labels.insert(OWNER_LABEL.to_owned(), json!(world.uid()));
    annotations.extend(template.annotations.into_iter().map(|(key, value)| (key, json!(value))));
    annotations.insert(APPLIED_ANNOTATION.to_owned(), json!(applied(world)));
    annotations.insert(REGISTRIES_ANNOTATION.to_owned(), json!(registries));
}

/// Our controller reference, and whatever other owners there are.
fn owners(world: &World, meta: &ObjectMeta) -> Value {
    let uid = world.object.uid();
    let others = meta.owner_references.iter().flatten().filter(|owner| Some(&owner.uid) != uid.as_ref()).cloned();
    json!(others.chain(world.object.controller_owner_ref(&())).collect::<Vec<_>>())
}

/// What a write of the Secret that failed means for an attempt.
pub fn refusal(error: ClusterError) -> Answer {
    match error {
        ClusterError::Refused(_, message) => Answer::Failed(Fault {
            reason: Reason::SecretRefused,
            message: format!(
                "the API server refuses the Secret: {message}. Change the quota, policy or permission that it names"
            ),
            stalled: false,
        }),
        ClusterError::Conflict(_)
        | ClusterError::Exists(_)
        | ClusterError::NotFound(_)
        | ClusterError::Unavailable(..) => Answer::Unclear,
    }
}
