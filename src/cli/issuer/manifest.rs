//! Writes the issuer as a manifest.

use crate::api::{PortalType, Thinkwise};
use crate::cli::args::{DiscoverArgs, IssuerKindArg};
use crate::cli::error::CliError;
use crate::portal::thinkwise::discovery::mismatch::FieldMismatch;
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: ManifestMetadata<'a>,
    spec: ManifestSpec<'a>,
}

#[derive(Serialize)]
struct ManifestMetadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
}

#[derive(Serialize)]
struct ManifestSpec<'a> {
    r#type: PortalType,
    thinkwise: &'a Thinkwise,
}

/// The manifest, preceded by comments that name the fields still to be set.
pub(crate) fn write_manifest(
    arguments: &DiscoverArgs,
    spec: &Thinkwise,
    problems: &[FieldMismatch],
) -> Result<String, CliError> {
    let (kind, namespace) = match arguments.kind {
        IssuerKindArg::ClusterTokenIssuer => ("ClusterTokenIssuer", None),
        IssuerKindArg::TokenIssuer => ("TokenIssuer", Some(arguments.namespace.as_str())),
    };
    let manifest = Manifest {
        api_version: "registry-token.dev/v1alpha1",
        kind,
        metadata: ManifestMetadata { name: arguments.name.as_str(), namespace },
        spec: ManifestSpec { r#type: PortalType::Thinkwise, thinkwise: spec },
    };
    let mut text = String::new();
    for problem in problems {
        writeln!(text, "# To be set: {}", problem.to_string().replace('\n', " "))?;
    }
    text.push_str(&serde_saphyr::to_string(&manifest)?);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
