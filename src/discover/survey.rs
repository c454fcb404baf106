//! What was seen and found, for people: on standard error.

use crate::api::{CREDENTIALS_LABEL, Thinkwise};
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

/// The names that are clear, whatever else is not.
pub(super) struct Clear {
    table: Option<String>,
    pub(super) request: Option<String>,
    edit: Option<String>,
    revoke: Option<String>,
}

impl Clear {
    /// Writes them into a spec.
    pub(super) fn pin(&self, spec: &mut Thinkwise) {
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

/// Shows the portal, and the candidates for table and tasks with what speaks for each.
pub(super) fn show(portal: &ThinkwisePortal, catalog: &Catalog, spec: &Thinkwise) -> Clear {
    let place = portal.location();
    let (count, tasks) = (catalog.tables.len(), catalog.tasks.len());
    eprintln!("{}, application {}, seen as {}: {count} tables, {tasks} tasks", place.url, place.scope, place.user);
    let pinned = spec.tasks.clone().unwrap_or_default();
    let found = tables(catalog);
    list("The table of tokens", &found);
    let name = clear(spec.table.as_ref().and_then(|table| table.name.clone()), &found);
    let table = name.as_deref().and_then(|name| catalog.table(name));
    let (requests, edits, revocations) = (requests(catalog), edits(catalog, table), revocations(catalog, table));
    list("The task that requests a token", &requests);
    list("The task that edits its description", &edits);
    list("The task that revokes it", &revocations);
    Clear {
        table: name,
        request: clear(pinned.request.and_then(|task| task.name), &requests),
        edit: clear(pinned.edit_description.and_then(|task| task.name), &edits),
        revoke: clear(pinned.revoke.and_then(|task| task.name), &revocations),
    }
}

/// The name that was given, or else the one that is clearly meant.
fn clear(given: Option<String>, candidates: &[Candidate]) -> Option<String> {
    given.or_else(|| match choose(candidates) {
        Choice::Clear(best) => Some(best.name.clone()),
        _ => None,
    })
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
    let access = &arguments.access;
    let (user, file, id_key, secret_key) = match (&access.username, &access.client_id) {
        (Some(user), _) => (user.as_str(), &access.password_file, "username", "password"),
        (None, id) => (id.as_deref().unwrap_or_default(), &access.client_secret_file, "client_id", "client_secret"),
    };
    let file = file.as_ref().map_or_else(|| "FILE".to_owned(), |path| quoted(&path.display().to_string()));
    let (namespace, secret) = (quoted(arguments.namespace.as_str()), quoted(arguments.secret_name.as_str()));
    let place = match arguments.kind {
        Kind::ClusterTokenIssuer => "the operator's namespace",
        Kind::TokenIssuer => "the issuer's namespace",
    };
    eprintln!("\nNext: save the issuer as issuer.yaml, put the credentials into a Secret in {place}, check, apply");
    eprintln!(
        "  kubectl -n {namespace} create secret generic {secret} --from-literal={id_key}={} --from-file={secret_key}={file}",
        quoted(user)
    );
    if arguments.kind == Kind::TokenIssuer {
        eprintln!("  kubectl -n {namespace} label secret {secret} {CREDENTIALS_LABEL}=true");
    }
    eprintln!("  registry-token-operator check -f issuer.yaml");
    eprintln!("  kubectl apply -f issuer.yaml");
}

/// A word for a shell. Values of the portal's are shown in it, so nothing in them may do anything.
pub(super) fn quoted(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@,+".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_for_a_shell_does_nothing() {
        for (text, word) in [
            ("klant_id=42", "klant_id=42"),
            ("robot@example.com", "robot@example.com"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(rm -rf /)", "'$(rm -rf /)'"),
            ("it's", r"'it'\''s'"),
            ("a\nb", "'a?b'"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }
}
