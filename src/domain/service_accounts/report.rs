//! The records and the condition after a check of the accounts.

use super::{AccountState, Wish, wish};
use crate::api::{Reason, RecordedServiceAccount, ServiceAccountRef};
use crate::domain::model::conditions::ConditionStatus;
use std::fmt::Write as _;
use std::time::Duration;

/// How many accounts with a problem the condition names.
const MAX_NAMED: usize = 3;
/// When a rejected read or write is tried again, unless something changes before.
const RETRY_REJECTED: Duration = Duration::from_mins(10);
const RETRY_UNAVAILABLE: Duration = Duration::from_secs(20);
const RETRY_CONTENDED: Duration = Duration::from_secs(1);

/// What the status says about the accounts.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub records: Vec<RecordedServiceAccount>,
    /// `ServiceAccountsSynced`; `None` if no account is named and none is left to clean.
    pub condition: Option<(ConditionStatus, Reason, String)>,
    /// When the accounts have to be checked again.
    pub retry_after: Option<Duration>,
}

/// Before an account is changed: the names are recorded.
#[must_use]
pub fn prepared(records: Vec<RecordedServiceAccount>) -> Report {
    let next = "the Secret is added to the ServiceAccounts next".to_owned();
    let condition = Some((ConditionStatus::False, Reason::ServiceAccountsPending, next));
    Report { records, condition, retry_after: None }
}

/// The result of a check of these accounts.
#[must_use]
pub fn report(named: &[ServiceAccountRef], checked: Vec<(RecordedServiceAccount, AccountState)>) -> Report {
    let retry_after = checked.iter().filter_map(|(_, state)| retry_after(state)).min();
    let mut problems: Vec<Problem> =
        checked.iter().filter_map(|(record, state)| Problem::of(named, record, state)).collect();
    if named.iter().any(|account| checked.iter().all(|(record, _)| record.name != account.name)) {
        problems.push(Problem::pending());
    }
    // The most urgent first; the order of the names stays otherwise.
    problems.sort_by_key(|problem| problem.rank);
    let records: Vec<_> =
        checked.into_iter().filter(|(_, state)| *state != AccountState::Removed).map(|(record, _)| record).collect();
    let condition = match problems.first() {
        Some(first) => Some((ConditionStatus::False, first.reason, message(&problems))),
        None if records.is_empty() => None,
        None => Some((ConditionStatus::True, Reason::Synced, "the ServiceAccounts name the Secret".to_owned())),
    };
    Report { records, condition, retry_after }
}

const fn retry_after(state: &AccountState) -> Option<Duration> {
    match state {
        AccountState::Synced | AccountState::Removed | AccountState::NotFound => None,
        AccountState::Overwritten(left) => Some(*left),
        AccountState::Rejected(_) => Some(RETRY_REJECTED),
        AccountState::Unavailable(_) => Some(RETRY_UNAVAILABLE),
        AccountState::Contended => Some(RETRY_CONTENDED),
    }
}

struct Problem {
    rank: u8,
    reason: Reason,
    message: String,
}

impl Problem {
    /// Accounts that are not recorded yet: nothing was added to them.
    fn pending() -> Self {
        let message = "the Secret is added to the ServiceAccounts once it contains a token".to_owned();
        Self { rank: 4, reason: Reason::ServiceAccountsPending, message }
    }

    fn of(named: &[ServiceAccountRef], record: &RecordedServiceAccount, state: &AccountState) -> Option<Self> {
        let name = &record.name;
        let task = match wish(named, name) {
            Wish::Named => "added to",
            Wish::NotNamed => "removed from",
        };
        let (rank, reason, message) = match state {
            AccountState::Synced | AccountState::Removed => return None,
            AccountState::Overwritten(_) => (0, Reason::ServiceAccountOverwritten, overwritten(record)),
            AccountState::Rejected(why) => (
                1,
                Reason::ServiceAccountRejected,
                format!("the Secret cannot be {task} the ServiceAccount {name:?}: {why}", name = name.as_str()),
            ),
            AccountState::Unavailable(why) => (
                2,
                Reason::APIServerUnavailable,
                format!("the Secret cannot be {task} the ServiceAccount {name:?}: {why}", name = name.as_str()),
            ),
            AccountState::Contended => (
                2,
                Reason::APIServerUnavailable,
                format!(
                    "the ServiceAccount {:?} is changed by others at this moment; the Secret will be {task} it",
                    name.as_str()
                ),
            ),
            AccountState::NotFound => (
                3,
                Reason::ServiceAccountNotFound,
                format!(
                    "the ServiceAccount {:?} does not exist; the Secret is added when it is created",
                    name.as_str()
                ),
            ),
        };
        Some(Self { rank, reason, message })
    }
}

/// The same text until the next removal, so that it is written once.
fn overwritten(record: &RecordedServiceAccount) -> String {
    let (count, manager) = record.overwritten.as_ref().map_or((1, None), |one| (one.count, one.manager.as_deref()));
    let by = manager.map_or_else(|| "another client".to_owned(), |name| format!("the field manager {name:?}"));
    format!(
        "{by} removed the Secret from imagePullSecrets of the ServiceAccount {:?} ({count} times in a row). Leave imagePullSecrets out of what it applies, or name the Secret there. The Secret is added again after 10 seconds, doubling up to an hour",
        record.name.as_str()
    )
}

fn message(problems: &[Problem]) -> String {
    let mut text =
        problems.iter().take(MAX_NAMED).map(|problem| problem.message.as_str()).collect::<Vec<_>>().join(". Also: ");
    if let Some(more @ 1..) = problems.len().checked_sub(MAX_NAMED) {
        let _ = write!(text, ". ServiceAccounts with a problem that are not listed here: {more}");
    }
    text
}
