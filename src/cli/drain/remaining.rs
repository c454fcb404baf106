//! Lists the objects that remain. The types contain only the fields that are used, so that no unusual object prevents
//! others from being listed.

use crate::api::{ClusterRegistryToken, ClusterTokenIssuer, FINALIZER, RegistryToken, TokenIssuer};
use crate::cli::args::DrainPolicy;
use crate::kube_client::objects::all_namespaces;
use crate::kube_client::scope::WatchScope;
use crate::sanitize::sanitize;
use kube::api::ListParams;
use kube::{Client, Error};
use serde::Deserialize;
use std::fmt;

/// Objects per page of a list.
const PAGE_SIZE: u32 = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    ClusterToken,
    Token,
    Issuer,
    ClusterIssuer,
}

#[derive(Debug, Deserialize)]
struct RawList {
    #[serde(default)]
    metadata: RawListMeta,
    items: Vec<RawObject>,
}

#[derive(Debug, Default, Deserialize)]
struct RawListMeta {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct RawObject {
    metadata: RawObjectMeta,
    #[serde(default)]
    spec: RawSpec,
    #[serde(default)]
    status: RawStatus,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawObjectMeta {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    deletion_timestamp: Option<String>,
    #[serde(default)]
    finalizers: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpec {
    #[serde(default)]
    deletion_policy: Option<String>,
    #[serde(default)]
    suspend: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatus {
    #[serde(default)]
    conditions: Vec<RawCondition>,
    #[serde(default)]
    credentials_secrets: Vec<String>,
    #[serde(default)]
    ca_config_maps: Vec<String>,
    #[serde(default)]
    token: Option<RawToken>,
    #[serde(default)]
    retiring: Vec<RawToken>,
}

#[derive(Clone, Debug, Deserialize)]
struct RawToken {
    #[serde(default)]
    id: String,
    #[serde(default)]
    username: String,
}

#[derive(Clone, Debug, Deserialize)]
struct RawCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

#[derive(Clone, Debug)]
pub(crate) struct RemainingObject {
    pub(crate) kind: ObjectKind,
    object: RawObject,
}

impl RemainingObject {
    pub(crate) fn name(&self) -> &str {
        &self.object.metadata.name
    }

    /// Empty for a cluster-scoped object.
    pub(crate) fn namespace(&self) -> &str {
        &self.object.metadata.namespace
    }

    pub(crate) const fn is_deleting(&self) -> bool {
        self.object.metadata.deletion_timestamp.is_some()
    }

    pub(crate) fn deletion_policy(&self) -> DrainPolicy {
        match self.object.spec.deletion_policy.as_deref() {
            Some("Orphan") => DrainPolicy::Orphan,
            _ => DrainPolicy::Revoke,
        }
    }

    /// Whether `spec.suspend` is set.
    pub(crate) const fn is_suspended(&self) -> bool {
        self.object.spec.suspend
    }

    /// Whether it cannot be deleted without the operator.
    pub(crate) fn needs_operator(&self) -> bool {
        self.object.metadata.finalizers.iter().any(|one| one == FINALIZER)
    }

    /// Kind, namespace and name.
    pub(crate) fn reference(&self) -> String {
        let kind = match self.kind {
            ObjectKind::ClusterToken => "ClusterRegistryToken",
            ObjectKind::Token => "RegistryToken",
            ObjectKind::Issuer => "TokenIssuer",
            ObjectKind::ClusterIssuer => "ClusterTokenIssuer",
        };
        let slash = if self.namespace().is_empty() { "" } else { "/" };
        format!("{kind} {}{slash}{}", self.namespace(), self.name())
    }

    /// The Secrets and `ConfigMaps` that have the finalizer for this issuer.
    pub(crate) fn protected_names(&self) -> (&[String], &[String]) {
        (&self.object.status.credentials_secrets, &self.object.status.ca_config_maps)
    }

    /// The names of its tokens, which stay valid if they are orphaned.
    pub(crate) fn token_names(&self) -> String {
        let all = self.object.status.token.iter().chain(&self.object.status.retiring);
        let names = all.map(|token| format!("{} (id {})", sanitize(&token.username), sanitize(&token.id)));
        names.collect::<Vec<_>>().join(", ")
    }

    /// The reason and message of its `Ready` condition, unless that is `True`.
    pub(crate) fn waiting_reason(&self) -> String {
        let condition = self.object.status.conditions.iter().find(|one| one.kind == "Ready" && one.status != "True");
        condition.map(|one| format!("{}: {}", one.reason, sanitize(&one.message))).unwrap_or_default()
    }
}

impl fmt::Display for RemainingObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = self.waiting_reason();
        let others = self.object.metadata.finalizers.iter().filter(|one| *one != FINALIZER).cloned();
        let others: Vec<String> = others.collect();
        f.write_str(&self.reference())?;
        if !why.is_empty() {
            write!(f, ": {why}")?;
        }
        if others.is_empty() { Ok(()) } else { write!(f, "; other finalizers: {}", others.join(", ")) }
    }
}

/// Parses one page; returns the continue token of the next one.
pub(crate) fn parse_page(
    kind: ObjectKind,
    text: &str,
) -> Result<(Vec<RemainingObject>, Option<String>), serde_json::Error> {
    let list: RawList = serde_json::from_str(text)?;
    let all = list.items.into_iter().map(|object| RemainingObject { kind, object }).collect();
    Ok((all, list.metadata.next.filter(|next| !next.is_empty())))
}

/// All objects of the operator's kinds in this scope. A kind whose CRD is deleted has none.
pub(crate) async fn list_remaining(client: &Client, scope: &WatchScope) -> Result<Vec<RemainingObject>, Error> {
    let tokens = scope.requests::<RegistryToken>().into_iter().map(|request| (ObjectKind::Token, request));
    let issuers = scope.requests::<TokenIssuer>().into_iter().map(|request| (ObjectKind::Issuer, request));
    let cluster = || {
        [
            (ObjectKind::ClusterToken, all_namespaces::<ClusterRegistryToken>()),
            (ObjectKind::ClusterIssuer, all_namespaces::<ClusterTokenIssuer>()),
        ]
    };
    let cluster = scope.is_cluster_wide().then(cluster).into_iter().flatten();
    let kinds = tokens.chain(issuers).chain(cluster);
    let mut all = vec![];
    for (kind, objects) in kinds {
        let mut params = ListParams::default().limit(PAGE_SIZE);
        loop {
            let request = objects.list(&params).map_err(Error::BuildRequest)?;
            let text = match client.request_text(request).await {
                Ok(text) => text,
                Err(Error::Api(status)) if status.code == 404 => break,
                Err(error) => return Err(error),
            };
            let (page, next) = parse_page(kind, &text).map_err(Error::SerdeError)?;
            all.extend(page);
            let Some(next) = next else { break };
            params = params.continue_token(&next);
        }
    }
    Ok(all)
}
