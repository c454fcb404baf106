//! The record and the condition after a check of the Secret.

use super::{Desired, State};
use crate::api::{Reason, RecordedArgoCDRepository};
use std::time::Duration;

/// When a Secret of someone else, or a rejected write, is tried again, unless something changes before.
const RETRY_BLOCKED: Duration = Duration::from_mins(1);
const RETRY_UNAVAILABLE: Duration = Duration::from_secs(20);
const RETRY_CONTENDED: Duration = Duration::from_secs(1);

/// What the status says about the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub record: Option<RecordedArgoCDRepository>,
    /// `ArgoCDRepositorySynced`, which is false; `None` if there is no problem.
    pub problem: Option<(Reason, String)>,
    /// When the Secret has to be checked again.
    pub retry_after: Option<Duration>,
}

/// Before the Secret is created: its name is recorded.
#[must_use]
pub fn prepared(record: RecordedArgoCDRepository) -> Report {
    let next = format!("the Secret {:?} for Argo CD is created next", record.name);
    Report { record: Some(record), problem: Some((Reason::ArgoCDRepositoryPending, next)), retry_after: None }
}

/// The result of a check of the Secret that the spec wants, or of the deletion of one that it does not want any more.
#[must_use]
pub fn report(record: Option<RecordedArgoCDRepository>, desired: Option<&Desired>, state: &State) -> Report {
    let former = record.as_ref().map(|record| record.name.clone()).unwrap_or_default();
    // The Secret of a former name is deleted first.
    let desired = desired.filter(|desired| record.is_none() || desired.name == former);
    let name = desired.map_or(former, |desired| desired.name.clone());
    let task = if desired.is_some() { "written" } else { "deleted" };
    let (reason, message, retry) = match state {
        State::Synced => return Report { record, problem: None, retry_after: None },
        State::Pending => (
            Reason::ArgoCDRepositoryPending,
            format!("the Secret {name:?} for Argo CD is written once the pull secret stores the current token"),
            None,
        ),
        State::NotServed => (Reason::ArgoCDRepositoryNotServed, not_served(desired), None),
        State::Foreign(owner) => (Reason::SecretNotOwned, foreign(&name, owner.as_deref()), Some(RETRY_BLOCKED)),
        State::Rejected(why) => (
            Reason::SecretRejected,
            format!("the Secret {name:?} for Argo CD cannot be {task}: {why}"),
            Some(RETRY_BLOCKED),
        ),
        State::Unavailable(why) => (
            Reason::APIServerUnavailable,
            format!("the Secret {name:?} for Argo CD cannot be {task}: {why}"),
            Some(RETRY_UNAVAILABLE),
        ),
        State::Contended => (
            Reason::APIServerUnavailable,
            format!("the Secret {name:?} for Argo CD is changed by others at this moment; it will be {task}"),
            Some(RETRY_CONTENDED),
        ),
    };
    Report { record, problem: Some((reason, message)), retry_after: retry }
}

fn not_served(desired: Option<&Desired>) -> String {
    let url = desired.map_or("", Desired::url);
    format!(
        "the url {url:?} of secret.argocdRepository is in none of the issuer's registries, so there is no Secret for Argo CD: write a url that begins with one of them, or add the registry to the issuer"
    )
}

fn foreign(name: &str, owner: Option<&str>) -> String {
    let whose =
        owner.map_or_else(|| "does not belong to this object".to_owned(), |owner| format!("belongs to {owner}"));
    format!(
        "the Secret {name:?} {whose}, so it is left alone and Argo CD does not get the login from it: delete it, or set another name in secret.argocdRepository"
    )
}
