//! Checks of the issuer, without which no action that needs the portal is possible.

use super::Action;
use super::rotation::pending_annotation;
use crate::api::{REPLACE_ANNOTATION, Reason};
use crate::domain::model::issuer::IssuerInfo;
use crate::domain::model::issuer::IssuerState;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::issuer_not_found;
use crate::domain::model::problem::messages::terminal;
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::same_id;
use crate::domain::model::token_expiry::{expired_at, is_expired};
use crate::domain::observed::Observed;
use std::time::Duration;

/// The issuer is missing or not ready. Below this check it is ready.
pub(super) fn wait_for_issuer(observed: &Observed, status: &StatusView) -> Option<Action> {
    let problem = match &observed.issuer {
        IssuerState::Ready(_) => return None,
        IssuerState::Unknown => return Some(Action::Idle),
        IssuerState::Missing => issuer_not_found(&observed.object.issuer),
        IssuerState::NotReady(Problem { reason, message, terminal }) => {
            let message = format!("the issuer is not ready ({reason}): {message}");
            Problem { reason: Reason::IssuerNotReady, message, terminal: *terminal }
        }
    };
    Some(report_unless_pods_can_pull(observed, status, problem))
}

/// The issuer refers to another portal than the one that contains the object's tokens.
pub(super) fn report_changed_portal(observed: &Observed, status: &StatusView) -> Option<Action> {
    let problem = portal_changed(status, observed.issuer_info()?)?;
    Some(report_unless_pods_can_pull(observed, status, problem))
}

/// An outage of the portal is one issuer that is not ready, not a write to each of its objects. An object that was
/// edited meanwhile reports once that it waits.
fn report_unless_pods_can_pull(observed: &Observed, status: &StatusView, problem: Problem) -> Action {
    let is_acknowledged =
        status.observed_generation == Some(observed.object.generation) && status.suspended == observed.object.suspended;
    // A compromised token does not wait silently for its replacement.
    let waits = pending_annotation(observed, status) == Some(REPLACE_ANNOTATION);
    if !pods_can_pull(observed, status) || !is_acknowledged || waits {
        return Action::Report(problem);
    }
    let expiry = status.token.as_ref().and_then(expired_at).map(|time| time.duration_since(observed.now));
    expiry.map_or(Action::Idle, |left| Action::IdleFor(Duration::try_from(left).unwrap_or_default()))
}

/// Whether the Secret holds the current token, as far as is known, and that is not expired: then pods can pull, whatever
/// the problem is.
#[must_use]
pub fn pods_can_pull(observed: &Observed, status: &StatusView) -> bool {
    // A Secret that was created again is unverified until it is read.
    let secret = observed.secret.as_ref().filter(|secret| status.secret_uid.as_ref() == Some(&secret.uid));
    let stored = secret.and_then(|secret| secret.stored.as_ref());
    let is_current = |id: &String| stored.is_some_and(|stored| same_id(&stored.id, id));
    let is_expired = status.token.as_ref().is_some_and(|token| is_expired(token, observed.now));
    status.ready && !is_expired && !observed.object.deleting && status.current_token_id().is_some_and(is_current)
}

/// The issuer refers to another portal than the one that contains the token.
#[must_use]
pub fn portal_changed(status: &StatusView, issuer: &IssuerInfo) -> Option<Problem> {
    let recorded = status.portal.as_ref()?;
    let changed = !recorded.is_same_location(&issuer.portal);
    let message = format!(
        "the token belongs to {} ({}), but the issuer now refers to {} ({}): restore the issuer's configuration; tokens cannot be moved",
        recorded.url, recorded.scope, issuer.portal.url, issuer.portal.scope
    );
    changed.then(|| terminal(Reason::PortalChanged, &message))
}
