//! An issuer of either kind: its key, and the common interface of both.

use crate::api::{AllowedNamespaces, ClusterTokenIssuer, IssuerKind, IssuerRef, IssuerSpec, IssuerStatus, TokenIssuer};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Resource, ResourceExt};
use std::collections::BTreeMap;

/// Identifies an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IssuerKey {
    /// Cluster-scoped or namespaced.
    pub kind: IssuerKind,
    /// Its namespace; empty for a cluster issuer.
    pub namespace: String,
    pub name: String,
}

impl IssuerKey {
    /// The issuer that an object in this namespace refers to.
    #[must_use]
    pub fn of(reference: &IssuerRef, namespace: &str) -> Self {
        let namespace = match reference.kind {
            IssuerKind::ClusterTokenIssuer => String::new(),
            IssuerKind::TokenIssuer => namespace.to_owned(),
        };
        Self { kind: reference.kind, namespace, name: reference.name.clone() }
    }

    /// Its name in metrics: only that of an issuer with a namespace contains a slash.
    #[must_use]
    pub fn metrics_label(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}/{}", self.namespace, self.name) }
    }
}

/// An issuer of either kind.
pub trait AnyIssuer: Send + Sync {
    /// Its kind, namespace and name.
    fn key(&self) -> IssuerKey;
    fn spec(&self) -> &IssuerSpec;
    fn status(&self) -> Option<&IssuerStatus>;
    /// The namespaces that it serves; `None` for a namespaced issuer, which only serves its own.
    fn allowed_namespaces(&self) -> Option<&AllowedNamespaces>;
    fn uid(&self) -> String;
    fn generation(&self) -> i64;
    /// Its resource version.
    fn version(&self) -> Option<String>;
    /// Whether it is being deleted.
    fn deleting(&self) -> bool;
    fn finalizers(&self) -> &[String];
    fn annotations(&self) -> &BTreeMap<String, String>;
    /// A reference for events.
    fn reference(&self) -> ObjectReference;
}

macro_rules! impl_any_issuer {
    ($kind:ident, $spec:ident => $allowed:expr) => {
        impl AnyIssuer for $kind {
            fn key(&self) -> IssuerKey {
                IssuerKey {
                    kind: IssuerKind::$kind,
                    namespace: self.namespace().unwrap_or_default(),
                    name: self.name_any(),
                }
            }
            fn spec(&self) -> &IssuerSpec {
                &self.spec.issuer
            }
            fn status(&self) -> Option<&IssuerStatus> {
                self.status.as_ref()
            }
            fn allowed_namespaces(&self) -> Option<&AllowedNamespaces> {
                let $spec = &self.spec;
                $allowed
            }
            fn uid(&self) -> String {
                ResourceExt::uid(self).unwrap_or_default()
            }
            fn generation(&self) -> i64 {
                self.meta().generation.unwrap_or_default()
            }
            fn version(&self) -> Option<String> {
                self.resource_version()
            }
            fn deleting(&self) -> bool {
                self.meta().deletion_timestamp.is_some()
            }
            fn finalizers(&self) -> &[String] {
                ResourceExt::finalizers(self)
            }
            fn annotations(&self) -> &BTreeMap<String, String> {
                ResourceExt::annotations(self)
            }
            fn reference(&self) -> ObjectReference {
                self.object_ref(&())
            }
        }
    };
}

impl_any_issuer!(ClusterTokenIssuer, spec => Some(&spec.allowed_namespaces));
impl_any_issuer!(TokenIssuer, _spec => None);
