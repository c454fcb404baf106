//! The issuer as a manifest.

use crate::api::{PortalType, Thinkwise};
use crate::cli::{Discover, Kind};
use crate::portal::thinkwise::resolve::Problem;
use crate::run::Failure;
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
}

#[derive(Serialize)]
struct Spec<'a> {
    r#type: PortalType,
    thinkwise: &'a Thinkwise,
}

/// The manifest. What is still to be set stands above it, as comments.
pub(super) fn write(arguments: &Discover, spec: &Thinkwise, problems: &[Problem]) -> Result<String, Failure> {
    let (kind, namespace) = match arguments.kind {
        Kind::ClusterTokenIssuer => ("ClusterTokenIssuer", None),
        Kind::TokenIssuer => ("TokenIssuer", Some(arguments.namespace.as_str())),
    };
    let document = Document {
        api_version: "registry-token.dev/v1alpha1",
        kind,
        metadata: Metadata { name: arguments.name.as_str(), namespace },
        spec: Spec { r#type: PortalType::Thinkwise, thinkwise: spec },
    };
    let mut text = String::new();
    for problem in problems {
        writeln!(text, "# To be set: {}", problem.to_string().replace('\n', " "))?;
    }
    text.push_str(&serde_saphyr::to_string(&document)?);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}
