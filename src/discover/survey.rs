//! What was seen and found, for people: on standard error.

use crate::api::Thinkwise;
use crate::cli::{Discover, Kind};
use crate::portal::thinkwise::ThinkwisePortal;
use crate::portal::thinkwise::find::{Candidate, Choice, choose, edits, requests, revocations, tables};
use crate::portal::thinkwise::interface::Interface;
use crate::portal::thinkwise::metadata::Catalog;
use crate::portal::thinkwise::resolve::Problem;
use crate::portal::{Portal as _, Resolved};
use crate::report;

/// So many candidates are shown of each.
const SHOWN: usize = 3;

/// The portal, and the candidates for table and tasks with what speaks for each.
pub(super) fn show(portal: &ThinkwisePortal, catalog: &Catalog, spec: &Thinkwise) {
    let place = portal.location();
    let (count, tasks) = (catalog.tables.len(), catalog.tasks.len());
    eprintln!(
        "{}, application {}, seen as {}: {count} tables, {tasks} tasks",
        place.url, place.application, place.user
    );
    let found = tables(catalog);
    list("The table of tokens", &found);
    let pinned = spec.table.as_ref().and_then(|table| table.name.as_deref());
    let name = match (pinned, choose(&found)) {
        (Some(name), _) => Some(name),
        (None, Choice::Clear(best)) => Some(best.name.as_str()),
        _ => None,
    };
    let table = name.and_then(|name| catalog.table(name));
    list("The task that requests a token", &requests(catalog));
    list("The task that edits its description", &edits(catalog, table));
    list("The task that revokes it", &revocations(catalog, table));
}

fn list(title: &str, candidates: &[Candidate]) {
    eprintln!("\n{title}");
    if candidates.is_empty() {
        eprintln!("  none");
    }
    for candidate in candidates.iter().take(SHOWN) {
        eprintln!("  {:4}  {}: {}", candidate.score, candidate.name, candidate.reasons.join(", "));
    }
}

/// What will be used.
pub(super) fn show_found(interface: &Interface, resolved: &Resolved) {
    eprintln!("\nFound");
    for line in report::lines(interface, resolved) {
        eprintln!("  {line}");
    }
}

pub(super) fn show_problems(problems: &[Problem]) {
    eprintln!("\nNot clear");
    for problem in problems {
        eprintln!("  {problem}");
    }
}

/// What to do with the issuer.
pub(super) fn show_next(arguments: &Discover) {
    let (namespace, secret) = (&arguments.namespace, &arguments.secret_name);
    let (who, secret_key) = match arguments.access.username {
        Some(_) => ("--from-literal=username=USER", "password"),
        None => ("--from-literal=client_id=CLIENT", "client_secret"),
    };
    let place = match arguments.kind {
        Kind::ClusterTokenIssuer => "the operator's namespace",
        Kind::TokenIssuer => "the issuer's namespace",
    };
    eprintln!("\nNext: save the issuer as issuer.yaml, put the credentials into a Secret in {place}, check, apply");
    eprintln!("  kubectl -n {namespace} create secret generic {secret} {who} --from-file={secret_key}=FILE");
    eprintln!("  registry-token-operator check -f issuer.yaml");
    eprintln!("  kubectl apply -f issuer.yaml");
}
