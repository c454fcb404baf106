//! Explanations for people, printed to standard error.

use crate::api::Thinkwise;
use crate::cli::report;
use crate::portal::thinkwise::ThinkwisePortal;
use crate::portal::thinkwise::discovery::heuristics::{
    Candidate, Selection, rank_edit_tasks, rank_request_tasks, rank_revoke_tasks, rank_tables, select,
};
use crate::portal::thinkwise::discovery::interface::Interface;
use crate::portal::thinkwise::discovery::metadata::Catalog;
use crate::portal::thinkwise::discovery::mismatch::FieldMismatch;
use crate::portal::{Portal as _, PortalInterface};

/// Maximum number of candidates that are shown for each item.
const MAX_CANDIDATES: usize = 3;

/// The names that are unambiguous.
pub(crate) struct CertainNames {
    table: Option<String>,
    pub(crate) request: Option<String>,
    edit: Option<String>,
    revoke: Option<String>,
}

impl CertainNames {
    pub(crate) fn apply_to(&self, spec: &mut Thinkwise) {
        if let Some(name) = &self.table {
            spec.table.get_or_insert_default().name = Some(name.clone());
        }
        let tasks = spec.tasks.get_or_insert_default();
        if let Some(name) = &self.request {
            tasks.request.get_or_insert_default().name = Some(name.clone());
        }
        if let Some(name) = &self.edit {
            tasks.edit_description.get_or_insert_default().name = Some(name.clone());
        }
        if let Some(name) = &self.revoke {
            tasks.revoke.get_or_insert_default().name = Some(name.clone());
        }
    }
}

/// Prints the portal and the candidates for table and tasks, with the reasons for each.
pub(crate) fn print_candidates(portal: &ThinkwisePortal, catalog: &Catalog, spec: &Thinkwise) -> CertainNames {
    let place = portal.location();
    let (count, tasks) = (catalog.tables.len(), catalog.tasks.len());
    eprintln!("{}, application {}, user {}: {count} tables, {tasks} tasks", place.url, place.scope, place.user);
    let pinned = spec.tasks.clone().unwrap_or_default();
    let found = rank_tables(catalog);
    print_list("The table of tokens", &found);
    let name = certain_name(spec.table.as_ref().and_then(|table| table.name.clone()), &found);
    let table = name.as_deref().and_then(|name| catalog.table(name));
    let (requests, edits, revocations) =
        (rank_request_tasks(catalog), rank_edit_tasks(catalog, table), rank_revoke_tasks(catalog, table));
    print_list("The task that requests a token", &requests);
    print_list("The task that edits its description", &edits);
    print_list("The task that revokes it", &revocations);
    CertainNames {
        table: name,
        request: certain_name(pinned.request.and_then(|task| task.name), &requests),
        edit: certain_name(pinned.edit_description.and_then(|task| task.name), &edits),
        revoke: certain_name(pinned.revoke.and_then(|task| task.name), &revocations),
    }
}

/// The given name, or else the best candidate if it is unambiguous.
fn certain_name(given: Option<String>, candidates: &[Candidate]) -> Option<String> {
    given.or_else(|| match select(candidates) {
        Selection::Best(best) => Some(best.name.clone()),
        _ => None,
    })
}

fn print_list(title: &str, candidates: &[Candidate]) {
    eprintln!("\n{title}");
    if candidates.is_empty() {
        eprintln!("  none");
    }
    for candidate in candidates.iter().take(MAX_CANDIDATES) {
        eprintln!("  {:4}  {}: {}", candidate.score, candidate.name, candidate.reasons.join(", "));
    }
}

pub(crate) fn print_resolved(interface: &Interface, resolved: &PortalInterface) {
    eprintln!("\nFound");
    for line in report::lines(interface, resolved) {
        eprintln!("  {line}");
    }
}

pub(crate) fn print_problems(problems: &[FieldMismatch]) {
    eprintln!("\nNot clear");
    for problem in problems {
        eprintln!("  {problem}");
    }
}
