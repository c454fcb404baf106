//! What was tried in vain, and would be again: a request that the portal refuses, a Secret that cannot
//! be changed. Each try costs calls, so the next one waits long, unless something changed on which the
//! refusal stood.

use crate::api::Reason;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::with_retry_hint;
use crate::domain::model::pull_secret::Ownership;
use crate::domain::model::status_view::status_view;
use crate::domain::observed::{IssuerState, Observed};
use std::collections::BTreeMap;
use std::time::Duration;

/// Before what was refused is tried once more: somebody may have changed what we do not see, such as a
/// rule of the portal.
pub const COOLDOWN: Duration = Duration::from_mins(10);

/// What was tried.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// To get a token.
    RequestToken,
    /// To take back a reservation that a former attempt left behind.
    Recover,
    /// To put the Secret right.
    InspectSecret,
    /// To put our label and owner reference back on the Secret.
    RestoreOwnership,
    /// To put our finalizer back on an object that has a token.
    RestoreFinalizer,
    /// To confirm that the current token was revoked in the portal.
    ConfirmRevocation,
    /// To log in with the current token.
    VerifyLogin,
    /// To make the portal show the description.
    SyncDescription,
    /// To revoke the retiring token with this id.
    Revoke(String),
    /// To have somebody confirm that tokens without proof are revoked.
    ConfirmUnverifiedTokens,
    /// To let the object go.
    Finalize,
}

/// Something tried in vain.
#[derive(Clone, Debug, PartialEq)]
pub struct Cooldown {
    /// What.
    pub operation: Operation,
    /// How long until it is tried again; zero where the next pass may.
    pub remaining: Duration,
    /// Why it did not succeed.
    pub problem: Problem,
}

impl Cooldown {
    /// With the wait that its cause asks for.
    #[must_use]
    pub fn new(deed: Operation, fault: Problem) -> Self {
        if is_permanent(&fault) {
            return Self { operation: deed, remaining: COOLDOWN, problem: with_retry_hint(fault) };
        }
        Self { operation: deed, remaining: Duration::ZERO, problem: fault }
    }

    /// One of which nothing is to be said: a registry that need not answer, and is asked again later.
    #[must_use]
    pub const fn silent(deed: Operation, left: Duration) -> Self {
        let fault = Problem { reason: Reason::RegistryUnavailable, message: String::new(), terminal: false };
        Self { operation: deed, remaining: left, problem: fault }
    }

    /// Whether nothing is to be said of it.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.problem.message.is_empty()
    }
}

/// Whether what failed concerns that one action alone: others may succeed, so it holds up none of them.
#[must_use]
pub const fn affects_one_action(fault: &Problem) -> bool {
    !fault.reason.affects_whole_portal()
        && !matches!(
            fault.reason,
            Reason::APIServerUnavailable
                | Reason::RequestOutcomeUnknown
                | Reason::IssuerNotFound
                | Reason::IssuerNotReady
                | Reason::IssuerDeleting
                | Reason::NamespaceNotAllowed
        )
}

/// Whether trying again soon is of no use. Some faults cost little to look at again, and no event tells that they are
/// over: a Secret of somebody else, of which only the metadata is read, and what keeps an issuer from being used.
#[must_use]
pub const fn is_permanent(fault: &Problem) -> bool {
    let looked_at_soon = matches!(
        fault.reason,
        Reason::SecretNotOwned | Reason::IssuerNotFound | Reason::IssuerDeleting | Reason::NamespaceNotAllowed
    );
    fault.terminal && !looked_at_soon
}

/// What a refusal stood on.
#[derive(Clone, Debug, PartialEq)]
struct Fingerprint {
    generation: i64,
    requested_annotations: BTreeMap<String, String>,
    confirmed_revoked: Vec<String>,
    /// The Secret, if it is ours, and the token that it stores. Not its version: each try writes to it.
    secret: Option<(String, Option<String>)>,
    issuer: IssuerState,
}

impl Fingerprint {
    fn of(observed: &Observed) -> Self {
        let ours = observed.secret.as_ref().filter(|secret| secret.ownership == Ownership::Ours);
        let stored = |secret: &crate::domain::model::pull_secret::SecretMeta| {
            secret.stored.as_ref().map(|stored| stored.id.clone())
        };
        Self {
            generation: observed.object.generation,
            requested_annotations: observed.object.requested_annotations.clone(),
            confirmed_revoked: observed.object.confirmed_revoked.clone(),
            secret: ours.map(|secret| (secret.uid.clone(), stored(secret))),
            issuer: observed.issuer.clone(),
        }
    }
}

/// What is not to be tried again yet, of each object. By a clock that only runs forward.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cooldowns {
    cooldowns: BTreeMap<String, (Fingerprint, Vec<(Cooldown, Duration)>)>,
    /// When an edit that the portal rejected is tried again.
    edits: BTreeMap<String, (Fingerprint, Duration)>,
}

impl Cooldowns {
    /// Notes what a pass that ended now has tried in vain, or knew to be in vain.
    pub fn record(&mut self, observed: &Observed, now: Duration) {
        self.record_edit(observed, now);
        let lasting: Vec<_> = observed.cooldowns.iter().filter(|vain| !vain.remaining.is_zero()).cloned().collect();
        if lasting.is_empty() {
            self.cooldowns.remove(&observed.object.uid);
            return;
        }
        let former = self.active(observed, now);
        // What was known before is waited for no longer than was said then.
        let until = |vain: Cooldown| {
            let known = former.iter().find(|one| one.operation == vain.operation).map(|one| one.remaining);
            let left = known.unwrap_or(vain.remaining);
            (vain, now + left)
        };
        let all = lasting.into_iter().map(until).collect();
        self.cooldowns.insert(observed.object.uid.clone(), (Fingerprint::of(observed), all));
    }

    /// What is not to be tried again yet, for an object as it is seen now. All may be tried where
    /// something changed, and where a closer look is asked for.
    #[must_use]
    pub fn active(&self, observed: &Observed, now: Duration) -> Vec<Cooldown> {
        let Some((ground, all)) = self.cooldowns.get(&observed.object.uid) else { return vec![] };
        if observed.resync_requested || *ground != Fingerprint::of(observed) {
            return vec![];
        }
        let still = |(vain, until): &(Cooldown, Duration)| {
            let left = until.saturating_sub(now);
            (!left.is_zero()).then(|| Cooldown { remaining: left, ..vain.clone() })
        };
        all.iter().filter_map(still).collect()
    }

    /// A rejected edit waits from the first look at it on, so that a restart does not repeat them all.
    fn record_edit(&mut self, observed: &Observed, now: Duration) {
        let uid = &observed.object.uid;
        if !status_view(&observed.object).edit_rejected {
            self.edits.remove(uid);
            return;
        }
        let ground = Fingerprint::of(observed);
        let waits = self.edits.get(uid).is_some_and(|(former, until)| *former == ground && *until > now);
        let is_due = observed.edit_retry_after == Some(Duration::ZERO);
        if !(waits || is_due && self.edits.contains_key(uid)) {
            self.edits.insert(uid.clone(), (ground, now + COOLDOWN));
        }
    }

    /// How long until an edit that the portal rejected is tried again. At once where something changed, and where a
    /// closer look is asked for.
    #[must_use]
    pub fn edit_retry_after(&self, observed: &Observed, now: Duration) -> Option<Duration> {
        if !status_view(&observed.object).edit_rejected {
            return None;
        }
        if observed.resync_requested {
            return Some(Duration::ZERO);
        }
        let (ground, until) = self.edits.get(&observed.object.uid)?;
        Some(if *ground == Fingerprint::of(observed) { until.saturating_sub(now) } else { Duration::ZERO })
    }

    /// The object is gone.
    pub fn forget(&mut self, uid: &str) {
        self.cooldowns.remove(uid);
        self.edits.remove(uid);
    }
}

#[cfg(test)]
#[path = "cooldown_tests.rs"]
mod tests;
