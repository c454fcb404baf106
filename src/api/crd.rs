//! The CRDs as committed under `crds/`.

use super::{ClusterRegistryToken, ClusterTokenIssuer, RegistryToken, TokenIssuer};
use kube::CustomResourceExt;
use serde_json::{Value, json};

/// A CRD and the name of its file.
pub struct CrdDocument {
    /// File name under `crds/`.
    pub file: String,
    /// The manifest.
    pub manifest: Value,
}

/// Returns every CRD of this version.
///
/// # Errors
/// Fails only if a kind cannot be serialized, which the drift test would detect.
pub fn custom_resource_definitions() -> Result<Vec<CrdDocument>, serde_json::Error> {
    let kinds = [RegistryToken::crd(), ClusterRegistryToken::crd(), ClusterTokenIssuer::crd(), TokenIssuer::crd()];
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

/// Sets what the derive macros cannot express.
fn set_status_default(manifest: &mut Value) {
    let Some(schema) = manifest.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/status") else {
        return;
    };
    // Without this default, kstatus reports an object as current that no operator has observed yet.
    schema["default"] = json!({"observedGeneration": -1});
}
