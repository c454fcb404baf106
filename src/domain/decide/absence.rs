//! The proof that a token is absent from the portal.

use crate::api::Reason;
use crate::domain::model::issuer::IssuerInfo;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::transient;
use crate::domain::model::status_view::StatusView;
use jiff::Timestamp;
use std::time::Duration;

/// Whether a list proves the absence of a token. `started_at` is when the read of the list started, `since` when the
/// token was in the portal.
///
/// # Errors
/// The list is inconclusive: another user, who may see fewer tokens, read it, or its read started before the token had
/// to be in it. Returns how long to wait, and the problem.
pub fn prove_absence(
    started_at: Timestamp,
    since: Timestamp,
    issuer: &IssuerInfo,
    status: &StatusView,
) -> Result<(), (Duration, Problem)> {
    let user = status.portal.as_ref().map(|portal| &portal.user);
    // A login result, which replaces the list, does not depend on the portal user.
    if issuer.evidence().depends_on_user() && user.is_some_and(|user| *user != issuer.portal.user) {
        let message = format!(
            "the portal does not list the token for {}; this is not conclusive, because {} requested it. Configure issuer credentials that can see the token",
            issuer.portal.user,
            user.map_or("", |user| user)
        );
        return Err((Duration::from_mins(1), transient(Reason::TokenNotFound, message)));
    }
    list_may_lag(started_at, since, issuer).map_or(Ok(()), Err)
}

/// How long a list whose read started at `started_at` may still lack a token that the portal has since `since`, and the
/// problem to report until then. Lists lag behind tasks, but by less than the response deadline.
#[must_use]
pub fn list_may_lag(started_at: Timestamp, since: Timestamp, issuer: &IssuerInfo) -> Option<(Duration, Problem)> {
    let age = Duration::try_from(started_at.duration_since(since)).unwrap_or_default();
    let left = issuer.response_deadline.saturating_sub(age);
    if left.is_zero() {
        return None;
    }
    let at = since.checked_add(issuer.response_deadline).unwrap_or(Timestamp::MAX).strftime("%Y-%m-%dT%H:%M:%SZ");
    let message = format!(
        "the token is missing from the portal's list; this is not yet conclusive. The list is checked again at {at}"
    );
    Some((left, transient(Reason::TokenNotFound, message)))
}
