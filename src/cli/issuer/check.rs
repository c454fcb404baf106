//! `check`: compares an issuer with its portal. Changes nothing.

use super::issuer_file::IssuerFile;
use crate::api::{PortalType, Thinkwise};
use crate::cli::args::CheckArgs;
use crate::cli::error::CliError;
use crate::cli::report;
use crate::portal::thinkwise::discovery::interface::{BoundTo, Interface};
use crate::portal::thinkwise::discovery::metadata::Catalog;
use crate::portal::thinkwise::discovery::resolve::resolve;
use crate::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use crate::portal::{Credentials, EgressPolicy, Portal as _, PortalInterface};

/// Checks an issuer; the result is printed to standard output.
///
/// # Errors
/// If something does not match; each problem is printed with the field to set.
pub async fn run(arguments: &CheckArgs) -> Result<(), CliError> {
    let file = super::issuer_file::read(&arguments.file)?;
    let mut problems: Vec<String> = file.unknown_fields.iter().map(|field| format!("{field}: unknown field")).collect();
    let settings = portal_settings(arguments, &file).await?;
    let spec = settings.spec.clone();
    println!("{} {}: {}, application {}", file.kind, file.name, spec.url, spec.application);
    for other in &file.other_issuers {
        println!("  not checked: {other}, which is in the same file");
    }
    let with_ca_flag = |message: &str| {
        let given = arguments.credentials.ca_file.is_some();
        if given { message.replace("spec.thinkwise.tls", "--ca-file") } else { message.to_owned() }
    };
    let mut portal = ThinkwisePortal::new(settings).map_err(|failure| with_ca_flag(&failure.message))?;
    if arguments.credentials.is_given() {
        portal = portal.with_credentials_source(arguments.credentials.source());
    }
    match probe(&portal, &spec, &mut problems).await {
        Some((interface, resolved)) => {
            for line in report::lines(&interface, &resolved) {
                println!("  {line}");
            }
        }
        None => println!("  incomplete: see the problems below"),
    }
    for problem in &problems {
        println!("PROBLEM {}", with_ca_flag(problem));
    }
    match problems.len() {
        0 => {
            println!("the issuer matches the portal");
            Ok(())
        }
        1 => Err("the issuer does not match the portal: 1 problem".into()),
        many => Err(format!("the issuer does not match the portal: {many} problems").into()),
    }
}

/// Compares the spec with `$metadata`, then reads a row of the list and the row to which a request is bound.
async fn probe(
    portal: &ThinkwisePortal,
    spec: &Thinkwise,
    problems: &mut Vec<String>,
) -> Option<(Interface, PortalInterface)> {
    let catalog = match portal.read_catalog().await {
        Ok(catalog) => catalog,
        Err(failure) => {
            problems.push(failure.to_string());
            return None;
        }
    };
    let interface = match resolve(spec, &catalog) {
        Ok(interface) => interface,
        Err(mismatch) => {
            problems.extend(mismatch.0.iter().map(ToString::to_string));
            return None;
        }
    };
    let resolved = match portal.resolve().await {
        Ok(resolved) => resolved,
        Err(failure) => {
            problems.push(failure.to_string());
            return None;
        }
    };
    problems.extend(check_bound_row(portal, &catalog, &interface).await);
    Some((interface, resolved))
}

/// Whether the portal user sees the row to which the request is bound.
async fn check_bound_row(portal: &ThinkwisePortal, catalog: &Catalog, interface: &Interface) -> Option<String> {
    let Some(BoundTo::Fixed { table, key }) = &interface.request.row else { return None };
    let field = "spec.thinkwise.tasks.request.boundTo";
    match portal.read_keys(catalog.table(table)?, key, 1).await {
        Ok(rows) if rows.is_empty() => Some(format!("{field}: {table} shows the portal user no row with that key")),
        Ok(_) => None,
        Err(failure) => Some(format!("{field}: {failure}")),
    }
}

/// Credentials and CA from the command line, or else from where the issuer refers to.
async fn portal_settings(arguments: &CheckArgs, file: &IssuerFile) -> Result<ThinkwiseSettings, CliError> {
    if file.spec.r#type != PortalType::Thinkwise {
        return Err(
            "check supports issuers of type Thinkwise only: apply the issuer, and read its condition Ready".into()
        );
    }
    let thinkwise = file.spec.thinkwise.clone().ok_or("spec.thinkwise is missing: type Thinkwise requires it")?;
    let given = arguments.credentials.read()?;
    let ca_given = arguments.credentials.read_ca()?;
    let tls = thinkwise.tls.clone().unwrap_or_default();
    let namespace = file.namespace.clone().unwrap_or_else(|| arguments.namespace.clone());
    let needs_cluster = given.is_none() || (ca_given.is_none() && tls.ca_config_map_ref.is_some());
    let cluster = if needs_cluster {
        Some(
            super::credentials::ClusterSource::connect(
                arguments.context.as_deref(),
                namespace,
                file.kind == "TokenIssuer",
            )
            .await?,
        )
    } else {
        None
    };
    let credentials = match (given, &cluster) {
        (Some(given), _) => require_same_auth(given, &thinkwise)?,
        (None, Some(cluster)) => cluster.credentials(&thinkwise.auth).await?,
        (None, None) => return Err("no credentials are given".into()),
    };
    let ca_pem = match (ca_given, tls.ca_config_map_ref, &cluster) {
        (Some(pem), _, _) => Some(pem),
        (None, Some(reference), Some(cluster)) => Some(cluster.ca(&reference).await?),
        _ => tls.ca_bundle,
    };
    let keep = file.spec.audit.interval.0;
    Ok(ThinkwiseSettings {
        spec: thinkwise,
        limits: file.spec.limits.clone(),
        credentials,
        ca_pem,
        metadata_ttl: keep,
        egress: EgressPolicy::default(),
    })
}

/// The credentials must be of the issuer's auth type; otherwise something else would be checked.
fn require_same_auth(given: Credentials, spec: &Thinkwise) -> Result<Credentials, CliError> {
    match (&given, &spec.auth.basic) {
        (Credentials::Basic { .. }, None) => {
            Err("the issuer logs in with OAuth2ClientCredentials: use --client-id instead of --username".into())
        }
        (Credentials::ClientCredentials { .. }, Some(_)) => {
            Err("the issuer logs in with Basic: use --username instead of --client-id".into())
        }
        _ => Ok(given),
    }
}
