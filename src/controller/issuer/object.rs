//! What both kinds of issuer have in common.

use super::cache::IssuerKey;
use crate::api::{AllowedNamespaces, ClusterTokenIssuer, IssuerKind, IssuerSpec, IssuerStatus, TokenIssuer};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Resource, ResourceExt};
use std::collections::BTreeMap;

/// An issuer, whichever kind it is.
pub trait AnyIssuer: Send + Sync {
    /// Which one it is.
    fn key(&self) -> IssuerKey;
    /// Its spec.
    fn spec(&self) -> &IssuerSpec;
    /// Its status.
    fn status(&self) -> Option<&IssuerStatus>;
    /// Which namespaces it serves; a namespaced one serves its own alone.
    fn allowed_namespaces(&self) -> Option<&AllowedNamespaces>;
    /// Its UID.
    fn uid(&self) -> String;
    /// Its generation.
    fn generation(&self) -> i64;
    /// Its version.
    fn version(&self) -> Option<String>;
    /// It is being deleted.
    fn deleting(&self) -> bool;
    /// Its finalizers.
    fn finalizers(&self) -> &[String];
    /// Its annotations.
    fn annotations(&self) -> &BTreeMap<String, String>;
    /// For events.
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
