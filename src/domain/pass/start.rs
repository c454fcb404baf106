//! Starts the action that was decided.

use super::running::{Completion, RunningAction};
use super::{Pass, PassResult, Stage, Step};
use crate::api::Reason;
use crate::domain::actions::{
    Outcome, adopt, confirm_revocation, finalize, import, inspect_secret, recheck, request_token, revoke,
    revoke_not_allowed, sync_description, verify_login,
};
use crate::domain::decide::Action;
use crate::domain::model::cooldown::Operation;
use crate::domain::model::status_view::StatusView;
use crate::domain::protocol::{Request, SecretWrite};
use crate::domain::status::StatusEvent;

impl Pass {
    /// Starts an action, or ends the pass if there is none.
    pub(super) fn start(mut self, action: Action) -> (Self, Step) {
        match action {
            Action::Idle => self.finish(Outcome::Idle),
            Action::IdleFor(left) => self.finish(Outcome::IdleFor(left)),
            Action::Report(problem) => self.finish(Outcome::Failed(problem)),
            Action::ReportFor(_, problem) if self.observed.request_history.needs_writer(&problem) => {
                self.request(Request::ReadLastWriter, Stage::ReadingLastWriter)
            }
            Action::ReportFor(left, problem) => {
                if problem.reason == Reason::SecretOverwritten {
                    self.observed.request_history.record_delayed();
                }
                self.finish(Outcome::ReportFor(left, problem))
            }
            Action::ClampTimestamps => self.record(StatusEvent::TimestampsClamped),
            Action::RescheduleRotation => self.record(StatusEvent::WindowMissed),
            Action::RecordNamespaceAccess => self.record(StatusEvent::NamespaceChecked),
            Action::ClearUpstreamRevocation => self.record(StatusEvent::NotRevoked),
            Action::ForgetConfirmedTokens => {
                let confirmed = StatusView::of(&self.observed.object).unverified.confirmed(&self.observed.object);
                self.record(StatusEvent::RevocationsConfirmed(confirmed))
            }
            Action::ProtectIssuer => self.request(Request::RequeueIssuer, Stage::RequeuingIssuer),
            Action::RestoreFinalizer => self.request(Request::SetFinalizer(true), Stage::RestoringFinalizer),
            Action::RestoreOwnership => {
                self.request(Request::WriteSecret(SecretWrite::RestoreOwnership), Stage::RestoringOwnership)
            }
            Action::AddFinalizer => {
                self.request(Request::SetFinalizer(true), Stage::SettingFinalizer { present: true })
            }
            Action::RemoveFinalizer => {
                self.request(Request::SetFinalizer(false), Stage::SettingFinalizer { present: false })
            }
            // One attempt per pass, with the attempt id that the pass was given.
            Action::RequestToken(_) if self.has_requested => self.done(PassResult::RequeueSoon),
            Action::RequestToken(request_cause) => {
                self.has_requested = true;
                let first = request_token::begin(&self.observed, request_cause);
                self.advance(first.map(RunningAction::RequestToken), Completion::Cooldown(Operation::RequestToken))
            }
            Action::Recover => {
                let reservation = self.observed.secret.as_ref().and_then(|secret| secret.reservation.clone());
                let Some(reservation) = reservation else { return self.finish(Outcome::RequeueSoon) };
                let first = request_token::recover(&self.observed, &reservation.attempt_id);
                self.advance(first.map(RunningAction::Recover), Completion::Cooldown(Operation::Recover))
            }
            Action::Adopt => {
                let first = adopt::begin(&self.observed);
                self.advance(first.map(RunningAction::Adopt), Completion::EndsPass)
            }
            Action::Import(id, request_cause) => {
                let first = import::begin(id, request_cause);
                self.advance(first.map(RunningAction::Import), Completion::EndsPass)
            }
            Action::InspectSecret => {
                self.observed.resync_requested = false;
                let first = inspect_secret::begin();
                self.advance(first.map(RunningAction::InspectSecret), Completion::SecretCooldown)
            }
            Action::Recheck => {
                let first = recheck::begin(&self.observed);
                self.advance(first.map(RunningAction::Recheck), Completion::Recheck)
            }
            Action::VerifyLogin => {
                let first = verify_login::begin();
                self.advance(first.map(RunningAction::VerifyLogin), Completion::Cooldown(Operation::VerifyLogin))
            }
            Action::ConfirmRevocation => {
                let first = confirm_revocation::begin(&self.observed);
                self.advance(
                    first.map(RunningAction::ConfirmRevocation),
                    Completion::Cooldown(Operation::ConfirmRevocation),
                )
            }
            Action::RevokeRetiring => {
                let first = revoke::revoke_retiring(&self.observed);
                self.advance(first.map(RunningAction::RevokeRetiring), Completion::Revocations)
            }
            Action::RevokeNotAllowed => {
                let first = revoke_not_allowed::begin().map(RunningAction::RevokeNotAllowed);
                self.advance(first, Completion::Cooldown(Operation::RevokeNotAllowed))
            }
            Action::SyncDescription => {
                self.observed.edit_retry_after = None;
                let first = sync_description::begin(&self.observed);
                self.advance(
                    first.map(RunningAction::SyncDescription),
                    Completion::Cooldown(Operation::SyncDescription),
                )
            }
            Action::Finalize => {
                let first = finalize::begin(&self.observed);
                self.advance(first.map(RunningAction::Finalize), Completion::Cooldown(Operation::Finalize))
            }
        }
    }
}
