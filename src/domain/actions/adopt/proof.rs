//! What proves that a stored token belongs to the object.

use super::{AdoptTransition, Adopting, RETRY_AFTER, Stage};
use crate::api::Reason;
use crate::domain::actions::{Outcome, Transition};
use crate::domain::decide::absence::list_may_lag;
use crate::domain::model::issuer::IssuerInfo;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::transient;
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::{RowQuery, TokenRef, TokenRow, same_id, username_key};
use crate::domain::model::unverified_tokens::may_be_from_lost_key;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, SecretContent};
use jiff::Timestamp;

/// What proves that a stored token belongs to this object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum OwnershipProof {
    /// The portal's row contains the marker of this attempt.
    Marker(TokenRef),
    /// The Secret contains the operator's MAC.
    Signature(TokenRef),
    /// The Secret of an object older than the operator's keys logs in with the token, and the portal has only one row
    /// with its username. Only the token's owner can meet both conditions.
    Login(TokenRef),
    /// There is no proof, but the token may have been signed with a key that was lost.
    KeyLost(TokenRef),
}

impl Adopting {
    /// The registry accepts what the Secret holds, and the list may show that token later. Where the Secret holds the login of
    /// another token than it names, the accepted login proves nothing about the one that it names.
    pub(super) fn login_accepted(self, observed: &Observed, content: &SecretContent) -> AdoptTransition {
        let (id, username) = (self.stored.id.clone(), self.stored.signature.username.clone());
        // A shared username is the same in every login, so only the operator's annotations prove whose login this is: they
        // have a valid MAC, and the content has the checksum.
        let signed = observed.verify_stored(&self.stored).is_some();
        let intact = !matches!(content, SecretContent::Login { checksum_valid: false, .. });
        if login_shared(observed) && !(signed && intact) {
            return self.not_proved(observed, Some(TokenRef { id, username }));
        }
        let in_secret = match content {
            SecretContent::Login { username, .. } => Some(username),
            SecretContent::Immutable { username } => username.as_ref(),
            SecretContent::WrongType | SecretContent::Empty => None,
        };
        let is_named = |found: &String| username.is_empty() || username_key(found) == username_key(&username);
        if in_secret.is_none_or(is_named) {
            return Transition::Done(Outcome::ReportFor(RETRY_AFTER, not_listed()));
        }
        self.not_proved(observed, Some(TokenRef { id, username }))
    }

    /// No login shows that the token exists, and the list lacks it. A token that was requested a moment ago may be missing
    /// from a list that lags, so it is looked up again.
    pub(super) fn row_missing(self, observed: &Observed, started_at: Timestamp) -> AdoptTransition {
        match self.lag(observed, started_at) {
            Some(waits) => Transition::Done(waits),
            None => self.not_proved(observed, None),
        }
    }

    /// What to wait for, if the list may not show the token yet.
    fn lag(&self, observed: &Observed, started_at: Timestamp) -> Option<Outcome> {
        let issuer = observed.issuer_info()?;
        let requested = Timestamp::from_second(self.stored.provenance.requested_at).ok()?;
        // No MAC covers this time. No operator's clock is that far ahead.
        if requested > started_at.checked_add(issuer.response_deadline).unwrap_or(Timestamp::MAX) {
            return None;
        }
        let (left, problem) = list_may_lag(started_at, requested, issuer)?;
        Some(Outcome::ReportFor(left.min(RETRY_AFTER), problem))
    }

    /// There is no proof. If the object is older than the keys, the token may still be the operator's own; it is then
    /// reported.
    pub(super) fn not_proved(self, observed: &Observed, token: Option<TokenRef>) -> AdoptTransition {
        self.read_object(token.filter(|_| may_be_from_lost_key(&observed.object)).map(OwnershipProof::KeyLost))
    }

    pub(super) fn rows_found(self, observed: &Observed, rows: Vec<TokenRow>) -> AdoptTransition {
        // The id is recorded as stored, not as the list formats it.
        let id = &self.stored.id;
        let named = |row: TokenRow| TokenRow { token: TokenRef { id: id.clone(), ..row.token }, ..row };
        let mut ours: Vec<TokenRow> = rows.into_iter().filter(|row| same_id(&row.token.id, id)).map(named).collect();
        // A portal may return more rows than requested.
        ours.sort_by_key(|row| !self.has_marker(observed, row));
        match ours.into_iter().next() {
            Some(row) if self.has_marker(observed, &row) => self.read_object(Some(OwnershipProof::Marker(row.token))),
            Some(row) if observed.verify_stored(&self.stored).as_ref() == Some(&row.token) => {
                self.read_object(Some(OwnershipProof::Signature(row.token)))
            }
            Some(row) if may_be_proved_by_login(observed) => {
                self.transition_to(Request::ReadContent, Stage::ReadingContent(Some(row)))
            }
            row => self.not_proved(observed, row.map(|row| row.token)),
        }
    }

    /// Whether an operator may have written the annotations: they have a valid MAC, or a key that signed them may be
    /// lost.
    pub(super) fn may_be_ours(&self, observed: &Observed) -> bool {
        observed.verify_stored(&self.stored).is_some() || may_be_from_lost_key(&observed.object)
    }

    /// A token with a valid MAC and checksum is not verified at a registry: a registry that lags would cause the token
    /// to be given up permanently, since nothing else names it. If rows cannot be read, an id that differs from the
    /// username could belong to any token.
    pub(super) fn content_read(
        self,
        observed: &Observed,
        row: Option<TokenRow>,
        content: SecretContent,
    ) -> AdoptTransition {
        let SecretContent::Login { username, checksum_valid: true, .. } = content else {
            return self.not_proved(observed, row.map(|row| row.token));
        };
        match (row, observed.verify_stored(&self.stored)) {
            (None, Some(token)) if token.username == username => {
                self.read_object(Some(OwnershipProof::Signature(token)))
            }
            (Some(row), _) if row.token.username == username => {
                self.transition_to(Request::QueryRows(RowQuery::WithUsername(username)), Stage::CountingRows(row.token))
            }
            (None, _) if self.stored.id == username && may_be_proved_by_login(observed) => self.transition_to(
                Request::VerifyLogin,
                Stage::VerifyingLogin(TokenRef { id: username.clone(), username }),
            ),
            (row, _) => {
                let id = self.stored.id.clone();
                let token = row.map_or(TokenRef { id, username }, |row| row.token);
                self.not_proved(observed, Some(token))
            }
        }
    }

    /// Whether the row's description contains this object's marker. An attempt id that was copied to another object, or
    /// a forged annotation, matches no token.
    fn has_marker(&self, observed: &Observed, row: &TokenRow) -> bool {
        observed
            .issuer_info()
            .is_some_and(|issuer| observed.marker(issuer, &self.stored.attempt_id).is_in(&row.description))
    }
}

pub(super) fn checks_login(observed: &Observed) -> bool {
    observed.issuer_info().is_some_and(IssuerInfo::checks_login)
}

pub(super) fn proof_unavailable(token: &TokenRef, why: &str) -> Problem {
    let message = format!(
        "the token {} has no valid proof that it belongs to this object, and its login, which would prove it, could not be verified at the registry ({why}); retrying",
        token.username
    );
    transient(Reason::TokenUnverified, message)
}

pub(super) fn not_listed() -> Problem {
    let message = "the Secret stores a token that the portal does not list, although the registry accepts its login or is unavailable; checking again. If this persists, configure issuer credentials that can see the token, or revoke it manually";
    transient(Reason::TokenNotFound, message.to_owned())
}

/// Whether a login may prove a token without MAC and marker: the key may have been lost, and status names no proved
/// token. A login with a shared username proves none.
fn may_be_proved_by_login(observed: &Observed) -> bool {
    checks_login(observed)
        && !login_shared(observed)
        && may_be_from_lost_key(&observed.object)
        && StatusView::of(&observed.object).token.is_none()
}

fn login_shared(observed: &Observed) -> bool {
    observed.issuer_info().is_some_and(|issuer| issuer.login_shared)
}
