//! Writes the issuer as a manifest.

use crate::api::{GitLab, Gitea, Harbor, IssuerSpec, PortalType, Registry, Thinkwise};
use crate::cli::discover_args::{DiscoverArgs, IssuerKindArg};
use crate::cli::error::CliError;
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: ManifestMetadata<'a>,
    spec: &'a ManifestSpec<'a>,
}

#[derive(Serialize)]
struct ManifestMetadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
}

/// The part of a spec that differs from the defaults.
#[derive(Serialize)]
pub(crate) struct ManifestSpec<'a> {
    r#type: PortalType,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinkwise: Option<&'a Thinkwise>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gitea: Option<&'a Gitea>,
    #[serde(skip_serializing_if = "Option::is_none")]
    harbor: Option<&'a Harbor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gitlab: Option<&'a GitLab>,
    #[serde(skip_serializing_if = "<[Registry]>::is_empty")]
    registries: &'a [Registry],
}

impl<'a> ManifestSpec<'a> {
    /// For Thinkwise, with the default registry.
    pub(crate) const fn thinkwise(spec: &'a Thinkwise) -> Self {
        let thinkwise = Some(spec);
        Self { r#type: PortalType::Thinkwise, thinkwise, gitea: None, harbor: None, gitlab: None, registries: &[] }
    }

    /// For the other types.
    pub(crate) fn of(spec: &'a IssuerSpec) -> Self {
        Self {
            r#type: spec.r#type,
            thinkwise: None,
            gitea: spec.gitea.as_ref(),
            harbor: spec.harbor.as_ref(),
            gitlab: spec.gitlab.as_ref(),
            registries: &spec.registries,
        }
    }
}

/// The manifest, preceded by comments that name the fields still to be set.
pub(crate) fn write_manifest(
    arguments: &DiscoverArgs,
    spec: &ManifestSpec<'_>,
    unset: &[String],
) -> Result<String, CliError> {
    let (kind, namespace) = match arguments.kind {
        IssuerKindArg::ClusterTokenIssuer => ("ClusterTokenIssuer", None),
        IssuerKindArg::TokenIssuer => ("TokenIssuer", Some(arguments.namespace.as_str())),
    };
    let manifest = Manifest {
        api_version: "registry-token.dev/v1alpha1",
        kind,
        metadata: ManifestMetadata { name: arguments.name.as_str(), namespace },
        spec,
    };
    let mut text = String::new();
    for field in unset {
        writeln!(text, "# To be set: {}", field.replace('\n', " "))?;
    }
    text.push_str(&serde_saphyr::to_string(&manifest)?);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
