//! The decision: what one thing is to be done for an object now. Pure and total.
//!
//! [`CHECKS`] is the whole policy, in order of priority: the first check that returns an action decides, and [`idle`]
//! answers where none does. A check relies on those above it: below [`wait_for_issuer`] the issuer is ready, below
//! [`report_foreign_secret`] the Secret is there and the object's own, below [`adopt_stored_token`] it stores the
//! current token.

pub mod absence;
mod action;
pub mod deadlines;
pub mod deletion;
pub mod issuer;
mod namespace;
pub mod protection;
mod request;
pub mod rotation;
mod secret;
mod upkeep;

pub use self::action::Action;
pub use self::issuer::pods_can_pull;
pub use self::request::{REISSUE_HOLD, token_to_import};

use self::deletion::finalize_if_deleting;
use self::issuer::{report_changed_portal, wait_for_issuer};
use self::namespace::{record_namespace_access, revoke_not_allowed};
use self::protection::restore_protection;
use self::request::{
    add_finalizer, check_upstream_revocation, import_token, replace_expired_token, replace_retiring_token,
    request_due_token, request_lost_token, request_without_secret, wait_to_request,
};
use self::secret::{adopt_stored_token, recover_reservation, report_foreign_secret};
use self::upkeep::{
    best_effort_login, clamp_timestamps, clear_upstream_revocation, confirm_revocation, forget_confirmed_tokens, idle,
    inspect_after_problem, inspect_changed_secret, inspect_until_ready, recheck, report_cooldown, reschedule_rotation,
    revoke_retiring, sync_description, verify_login,
};
use super::model::status_view::StatusView;
use super::observed::Observed;

/// A check of the chain: the action that it wants, or none where it has nothing to say.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// The name of its function: metric label and log field.
    pub name: &'static str,
    run: fn(&Observed, &StatusView) -> Option<Action>,
}

macro_rules! checks {
    ($($check:ident),+ $(,)?) => { &[$(Check { name: stringify!($check), run: $check }),+] };
}

/// Every check, the most urgent first.
pub const CHECKS: &[Check] = checks![
    // What protects a token needs neither issuer nor portal.
    restore_protection,
    clamp_timestamps,
    finalize_if_deleting,
    wait_for_issuer,
    report_changed_portal,
    revoke_retiring,
    forget_confirmed_tokens,
    // The namespace
    record_namespace_access,
    revoke_not_allowed,
    add_finalizer,
    // The Secret
    import_token,
    request_without_secret,
    report_foreign_secret,
    recover_reservation,
    request_lost_token,
    replace_retiring_token,
    adopt_stored_token,
    // The token that it stores
    replace_expired_token,
    check_upstream_revocation,
    clear_upstream_revocation,
    inspect_changed_secret,
    confirm_revocation,
    recheck,
    verify_login,
    inspect_until_ready,
    // Pods can pull
    request_due_token,
    reschedule_rotation,
    sync_description,
    inspect_after_problem,
    best_effort_login,
    wait_to_request,
    report_cooldown,
];

/// What is to be done, and the check that wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The name of the check; `idle` where none had anything to say.
    pub check: &'static str,
    /// What it wants.
    pub action: Action,
}

/// Asks the checks in their order.
#[must_use]
pub fn decision(observed: &Observed) -> Decision {
    let status = StatusView::of(&observed.object);
    let decided = |check: &Check| (check.run)(observed, &status).map(|action| Decision { check: check.name, action });
    CHECKS.iter().find_map(decided).unwrap_or_else(|| Decision { check: "idle", action: idle(observed, &status) })
}

/// What is to be done, where a test does not care which check wants it.
#[cfg(test)]
#[must_use]
pub fn decide(observed: &Observed) -> Action {
    decision(observed).action
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod chain_tests;
#[cfg(test)]
mod rotation_windows_tests;
#[cfg(test)]
#[path = "secret_tests.rs"]
mod secret_tests;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
