//! `discover` for portals that need no discovery: reads what the login may manage, and prints an issuer for it.

use super::auth::{build_auth, require_auth_type};
use super::inspect::{Login, lines};
use super::manifest::{ManifestSpec, write_manifest};
use super::next_steps::print_next_steps;
use super::place::{MAX_SHOWN, choose, describe};
use crate::api::{Auth, AuthType, IssuerSpec, Tls};
use crate::cli::credentials::with_flag_names;
use crate::cli::discover_args::{DiscoverArgs, PortalTypeArg};
use crate::cli::error::CliError;
use crate::portal::inspection::Places;
use serde_json::json;

/// Reads a portal and prints an issuer for it.
pub(crate) async fn run(arguments: &DiscoverArgs) -> Result<(), CliError> {
    let (auth_type, flags) = match arguments.portal_type {
        PortalTypeArg::GitLab => (AuthType::Token, "--token-file"),
        _ => (AuthType::Basic, "--username with --password-file"),
    };
    let credentials = arguments.credentials.read()?.ok_or_else(|| format!("credentials are missing: set {flags}"))?;
    let whose = format!("type {:?}", arguments.portal_type);
    let credentials = require_auth_type(credentials, auth_type, &whose)?;
    let ca_pem = arguments.credentials.read_ca()?;
    let tls = ca_pem.clone().map(|pem| Tls { ca_bundle: Some(pem), ..Tls::default() });
    let mut spec = build_spec(arguments, &build_auth(arguments, &credentials), tls.as_ref())?;
    let login = Login { credentials, ca_pem, source: Some(arguments.credentials.source()) };
    let found = login.places(&spec).await?.map_err(|failure| with_flag_names(&failure.message))?;
    print_found(arguments, &found);
    let unset = choose(&mut spec, &arguments.place, &found, tls.as_ref());
    let mut problems = vec![];
    if is_complete(&spec) {
        let inspection = login.inspect(&spec).await?;
        eprintln!("\nFound");
        for line in lines(&inspection, &spec) {
            eprintln!("  {line}");
        }
        problems = inspection.problems;
    }
    print!("{}", write_manifest(arguments, &ManifestSpec::of(&spec), &unset)?);
    for (title, list) in [("Not clear", &unset), ("Problems", &problems)] {
        if !list.is_empty() {
            eprintln!("\n{title}");
        }
        for text in list {
            eprintln!("  {text}");
        }
    }
    match (unset.is_empty(), problems.is_empty()) {
        (true, true) => {
            print_next_steps(arguments);
            Ok(())
        }
        (false, _) => Err("the issuer on standard output is incomplete: set the fields listed above".into()),
        (true, false) => {
            Err("the issuer on standard output does not work with this login: see the problems above".into())
        }
    }
}

/// The spec without user, project and group, unless the command line names them.
fn build_spec(arguments: &DiscoverArgs, auth: &Auth, tls: Option<&Tls>) -> Result<IssuerSpec, CliError> {
    let url = arguments.url.trim_end_matches('/');
    let (field, path) = match arguments.portal_type {
        PortalTypeArg::GitLab => ("gitlab", "/api/v4"),
        PortalTypeArg::Harbor => ("harbor", "/api"),
        _ => ("gitea", "/api/v1"),
    };
    if url.ends_with(path) || url.contains(&format!("{path}/")) {
        return Err(format!("--url must not contain {path}: use the part before it").into());
    }
    if url.starts_with("http://") && !arguments.allow_insecure_http {
        let message = format!("{url} is not https: the credentials would be sent unencrypted");
        return Err(with_flag_names(&message).into());
    }
    let place = &arguments.place;
    let mut portal = json!({
        "url": url,
        "allowInsecureHTTP": arguments.allow_insecure_http,
        "auth": auth,
        "tls": tls,
        "project": place.projects.first(),
        "group": place.group,
    });
    if arguments.portal_type == PortalTypeArg::Gitea {
        portal["user"] = json!(place.user.as_deref().unwrap_or_default());
    }
    let kind = format!("{:?}", arguments.portal_type);
    let mut spec = json!({"type": kind, "registries": []});
    spec[field] = portal;
    Ok(serde_json::from_value(spec)?)
}

/// Whether the spec says whose tokens they are.
fn is_complete(spec: &IssuerSpec) -> bool {
    spec.gitea.as_ref().is_some_and(|gitea| !gitea.user.is_empty())
        || spec.harbor.as_ref().is_some_and(|harbor| harbor.project.is_some() || harbor.projects.is_some())
        || spec.gitlab.as_ref().is_some_and(|gitlab| gitlab.project.is_some() || gitlab.group.is_some())
}

fn print_found(arguments: &DiscoverArgs, found: &Places) {
    eprintln!("{:?} at {}, {}", arguments.portal_type, arguments.url, found.login);
    eprintln!("\nThe login may manage the tokens of");
    if found.places.is_empty() {
        eprintln!("  none that was found");
    }
    for place in found.places.iter().take(MAX_SHOWN) {
        eprintln!("  {}", describe(place));
    }
    if found.is_partial || found.places.len() > MAX_SHOWN {
        eprintln!("  and others");
    }
}
