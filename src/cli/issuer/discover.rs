//! `discover`: prints an issuer for a portal's address.
//!
//! The issuer is printed to standard output, explanations to standard error. Changes nothing.

use super::auth::build_auth;
use super::manifest::{ManifestSpec, write_manifest};
use super::next_steps::print_next_steps;
use super::output::CertainNames;
use crate::api::{Audit, EditTask, Limits, PortalType, RequestTask, RevokeTask, Table, Tasks, Thinkwise, Tls};
use crate::cli::credentials::with_flag_names;
use crate::cli::discover_args::DiscoverArgs;
use crate::cli::error::CliError;
use crate::portal::thinkwise::discovery::interface::Interface;
use crate::portal::thinkwise::discovery::metadata::Catalog;
use crate::portal::thinkwise::discovery::mismatch::Mismatch;
use crate::portal::thinkwise::discovery::resolve::resolve_with;
use crate::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use crate::portal::{self, Credentials, EgressPolicy, Portal as _};

const DEFAULT_APPLICATION: &str = "tcp";

/// Reads a portal and prints an issuer for it.
///
/// # Errors
/// If the portal cannot be read, or if its table and tasks are ambiguous.
pub async fn run(arguments: &DiscoverArgs) -> Result<(), CliError> {
    arguments.validate()?;
    if PortalType::from(arguments.portal_type) != PortalType::Thinkwise {
        return super::discover_login::run(arguments).await;
    }
    let credentials = arguments.credentials.read()?.ok_or(
        "credentials are missing: set --username with --password-file, or --client-id with --client-secret-file",
    )?;
    let ca_pem = arguments.credentials.read_ca()?;
    let values =
        arguments.thinkwise.values.iter().map(|text| parse_value(text)).collect::<Result<Vec<_>, CliError>>()?;
    let mut spec = build_spec(arguments, &credentials, ca_pem.as_deref())?;
    let keep = Audit::default().interval.0;
    let settings = ThinkwiseSettings {
        spec: spec.clone(),
        limits: Limits::default(),
        credentials,
        ca_pem,
        metadata_ttl: keep,
        egress: EgressPolicy::default(),
    };
    let connect = |settings| {
        let portal = ThinkwisePortal::new(settings).map_err(|failure| cli_error(&failure))?;
        Ok::<_, CliError>(portal.with_credentials_source(arguments.credentials.source()))
    };
    let portal = connect(settings.clone())?;
    let catalog = portal.read_catalog().await.map_err(|failure| cli_error(&failure))?;
    let certain = super::output::print_candidates(&portal, &catalog, &spec);
    let problems = match resolve_interface(&portal, &catalog, &certain, &mut spec, &values).await {
        Ok(interface) => {
            let (table, tasks) = interface.as_spec();
            (spec.table, spec.tasks) = (table, Some(tasks));
            // Connects with the resolved spec, as the operator will: only the list is read.
            let found = connect(ThinkwiseSettings { spec: spec.clone(), ..settings })?;
            let resolved = found.resolve().await.map_err(|failure| cli_error(&failure))?;
            super::output::print_resolved(&interface, &resolved);
            vec![]
        }
        Err(Mismatch(problems)) => {
            certain.apply_to(&mut spec);
            problems
        }
    };
    let unset: Vec<String> = problems.iter().map(ToString::to_string).collect();
    print!("{}", write_manifest(arguments, &ManifestSpec::thinkwise(&spec), &unset)?);
    if problems.is_empty() {
        print_next_steps(arguments);
        return Ok(());
    }
    super::output::print_problems(&problems);
    Err("the issuer on standard output is incomplete: set the fields listed above, or use --value, --table, --request, --edit-description, --revoke".into())
}

/// There is no spec yet, so the message names the flags.
fn cli_error(failure: &portal::PortalError) -> CliError {
    with_flag_names(&failure.message).into()
}

/// Resolves the interface. If a bound request has no row, the row is looked up in the portal.
async fn resolve_interface(
    portal: &ThinkwisePortal,
    catalog: &Catalog,
    certain: &CertainNames,
    spec: &mut Thinkwise,
    values: &[(String, String)],
) -> Result<Interface, Mismatch> {
    let mismatch = match resolve_with(spec, catalog, values) {
        Ok(interface) => return Ok(interface),
        Err(mismatch) => mismatch,
    };
    if !mismatch.0.iter().any(|problem| problem.field.ends_with("request.boundTo")) {
        return Err(mismatch);
    }
    let Some(row) = super::bound_row::find_bound_row(portal, catalog, certain.request.as_deref(), values).await else {
        return Err(mismatch);
    };
    let tasks = spec.tasks.get_or_insert_default();
    tasks.request.get_or_insert_default().bound_to = Some(row);
    resolve_with(spec, catalog, values)
}

/// Parses `klant_id=42`.
fn parse_value(text: &str) -> Result<(String, String), CliError> {
    let parts = text.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
    let parts = parts.filter(|(name, value)| !name.is_empty() && !value.is_empty());
    let (name, value) =
        parts.ok_or_else(|| format!("--value {text:?} is invalid: use NAME=VALUE, such as klant_id=42"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Builds a spec from the command line.
fn build_spec(
    arguments: &DiscoverArgs,
    credentials: &Credentials,
    ca_pem: Option<&str>,
) -> Result<Thinkwise, CliError> {
    let request = RequestTask { name: arguments.thinkwise.request.clone(), ..RequestTask::default() };
    let edit = EditTask { name: arguments.thinkwise.edit_description.clone(), ..EditTask::default() };
    let revoke = RevokeTask { name: arguments.thinkwise.revoke.clone(), ..RevokeTask::default() };
    let tasks = Tasks {
        request: request.name.is_some().then_some(request),
        edit_description: edit.name.is_some().then_some(edit),
        revoke: revoke.name.is_some().then_some(revoke),
    };
    let url = arguments.url.trim_end_matches('/').to_owned();
    if url.contains("/iam/") || url.ends_with("/iam") {
        return Err(
            "--url must not contain /iam: use the part before it, and the part after it as --application".into()
        );
    }
    Ok(Thinkwise {
        url,
        application: arguments.thinkwise.application.clone().unwrap_or_else(|| DEFAULT_APPLICATION.to_owned()),
        allow_insecure_http: arguments.allow_insecure_http,
        auth: build_auth(arguments, credentials),
        tls: ca_pem.map(|pem| Tls { ca_bundle: Some(pem.to_owned()), ..Tls::default() }),
        table: arguments.thinkwise.table.clone().map(|name| Table { name: Some(name), ..Table::default() }),
        tasks: (tasks != Tasks::default()).then_some(tasks),
    })
}
