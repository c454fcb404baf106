//! The CRDs as they are committed under `crds/`.

use super::{ClusterTokenIssuer, RegistryToken, TokenIssuer};
use kube::CustomResourceExt;
use serde_json::{Value, json};

/// A CRD and the name of its file.
pub struct CrdDocument {
    /// File name under `crds/`.
    pub file: String,
    /// The manifest.
    pub manifest: Value,
}

/// Every CRD of this version.
///
/// # Errors
/// Only if a kind could not be serialised, which the drift test would show.
pub fn custom_resource_definitions() -> Result<Vec<CrdDocument>, serde_json::Error> {
    let kinds = [RegistryToken::crd(), ClusterTokenIssuer::crd(), TokenIssuer::crd()];
    kinds
        .into_iter()
        .map(|crd| {
            let file = format!("{}.yaml", crd.spec.names.plural);
            let mut manifest = serde_json::to_value(crd)?;
            set_status_default(&mut manifest);
            Ok(CrdDocument { file, manifest })
        })
        .collect()
}

/// What the derive macros cannot say.
fn set_status_default(manifest: &mut Value) {
    let Some(schema) = manifest.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/status") else {
        return;
    };
    // Without it kstatus calls an object current that no operator has seen yet.
    schema["default"] = json!({"observedGeneration": -1});
}
