//! `check`: compares an issuer with its portal. Changes nothing.

use super::inspect::{Login, lines};
use super::issuer_file::IssuerFile;
use crate::api::{IssuerSpec, PortalType, Thinkwise};
use crate::cli::args::CheckArgs;
use crate::cli::error::CliError;
use crate::cli::report;
use crate::portal::thinkwise::discovery::interface::{BoundTo, Interface};
use crate::portal::thinkwise::discovery::metadata::Catalog;
use crate::portal::thinkwise::discovery::resolve::resolve;
use crate::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use crate::portal::{EgressPolicy, Portal as _, PortalInterface};

/// The registry of an issuer that names none, which accepts tokens of Thinkwise only.
const DEFAULT_REGISTRY: &str = "registry.thinkwisesoftware.com";

/// Checks an issuer; the result is printed to standard output.
///
/// # Errors
/// If something does not match; each problem is printed with the field to set.
pub async fn run(arguments: &CheckArgs) -> Result<(), CliError> {
    let file = super::issuer_file::read(&arguments.file)?;
    let mut problems: Vec<String> = file.unknown_fields.iter().map(|field| format!("{field}: unknown field")).collect();
    let kind = file.spec.r#type;
    let field = kind.spec_fields().auth.trim_end_matches(".auth");
    let connection = file.spec.connection().ok_or_else(|| format!("{field} is missing: type {kind:?} requires it"))?;
    let login = super::access::read(arguments, &file, &connection).await?;
    let (tls, is_ca_given) = (format!("{field}.tls"), arguments.credentials.ca_file.is_some());
    let with_ca_flag =
        |message: &str| if is_ca_given { message.replace(&tls, "--ca-file") } else { message.to_owned() };
    println!("{} {}: {}, {}", file.kind, file.name, connection.url, place(&file.spec));
    for other in &file.other_issuers {
        println!("  not checked: {other}, which is in the same file");
    }
    let report = match &file.spec.thinkwise {
        Some(thinkwise) if kind == PortalType::Thinkwise => {
            check_thinkwise(&file, thinkwise, login, &mut problems).await
        }
        _ => check_login(&file.spec, &login, &mut problems).await,
    };
    match report.map_err(|error| with_ca_flag(&error.to_string()))? {
        Some(lines) => lines.iter().for_each(|line| println!("  {line}")),
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

/// The part of the portal to which the tokens belong; human-readable.
fn place(spec: &IssuerSpec) -> String {
    let scope = spec.connection().map(|connection| connection.scope.into_owned()).unwrap_or_default();
    match spec.r#type {
        PortalType::Thinkwise => format!("application {scope}"),
        PortalType::Gitea => format!("user {scope}"),
        PortalType::GitLab => scope.replacen("projects/", "project ", 1).replacen("groups/", "group ", 1),
        PortalType::Harbor if scope == "/" => "robot accounts of the system".to_owned(),
        PortalType::Harbor => format!("project {scope}"),
    }
}

/// Checks an issuer whose portal needs no discovery: what its login may do.
async fn check_login(
    spec: &IssuerSpec,
    login: &Login,
    problems: &mut Vec<String>,
) -> Result<Option<Vec<String>>, CliError> {
    if spec.registries.iter().any(|registry| registry.host == DEFAULT_REGISTRY) {
        problems.push(
            "spec.registries: this type requires it: set the host of the container registry that accepts the tokens"
                .to_owned(),
        );
    }
    let inspection = login.inspect(spec).await?;
    let lines = lines(&inspection, spec);
    let is_incomplete = inspection.facts.is_empty();
    problems.extend(inspection.problems);
    Ok((!is_incomplete).then_some(lines))
}

async fn check_thinkwise(
    file: &IssuerFile,
    spec: &Thinkwise,
    login: Login,
    problems: &mut Vec<String>,
) -> Result<Option<Vec<String>>, CliError> {
    let mut portal = ThinkwisePortal::new(ThinkwiseSettings {
        spec: spec.clone(),
        limits: file.spec.limits.clone(),
        credentials: login.credentials,
        ca_pem: login.ca_pem,
        metadata_ttl: file.spec.audit.interval.0,
        egress: EgressPolicy::default(),
    })
    .map_err(|failure| failure.message)?;
    if let Some(source) = login.source {
        portal = portal.with_credentials_source(source);
    }
    let found = probe(&portal, spec, problems).await;
    Ok(found.map(|(interface, resolved)| report::lines(&interface, &resolved)))
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
