//! What was tried in vain, and would be again: a request that the portal refuses, a Secret that cannot
//! be changed. Each try costs calls, so the next one waits long, unless something changed on which the
//! refusal stood.

use super::fault::Fault;
use super::faults::with_retry;
use super::observed::{IssuerView, Observed};
use super::pull_secret::Ownership;
use super::recorded::recorded;
use crate::api::Reason;
use std::collections::BTreeMap;
use std::time::Duration;

/// Before what was refused is tried once more: somebody may have changed what we do not see, such as a
/// rule of the portal.
pub const PATIENCE: Duration = Duration::from_mins(10);

/// What was tried.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// To get a token.
    Attempt,
    /// To take back a reservation that a former attempt left behind.
    Recover,
    /// To put the Secret right.
    Inspect,
    /// To put our label and owner reference back on the Secret.
    RestoreOwnership,
    /// To put our finalizer back on an object that has a token.
    RestoreFinalizer,
    /// To confirm that the current token was revoked in the portal.
    ConfirmRevocation,
    /// To log in with the current token.
    Verify,
    /// To make the portal show the description.
    Settle,
    /// To revoke the retiring token with this id.
    Revoke(String),
    /// To have somebody confirm that tokens without proof are revoked.
    Confirm,
    /// To let the object go.
    Leave,
}

/// Something tried in vain.
#[derive(Clone, Debug, PartialEq)]
pub struct Vain {
    /// What.
    pub deed: Deed,
    /// How long until it is tried again; zero where the next pass may.
    pub left: Duration,
    /// Why it did not succeed.
    pub fault: Fault,
}

impl Vain {
    /// With the wait that its cause asks for.
    #[must_use]
    pub fn new(deed: Deed, fault: Fault) -> Self {
        if lasts(&fault) {
            return Self { deed, left: PATIENCE, fault: with_retry(fault) };
        }
        Self { deed, left: Duration::ZERO, fault }
    }

    /// One of which nothing is to be said: a registry that need not answer, and is asked again later.
    #[must_use]
    pub const fn silent(deed: Deed, left: Duration) -> Self {
        let fault = Fault { reason: Reason::RegistryUnavailable, message: String::new(), stalled: false };
        Self { deed, left, fault }
    }

    /// Whether nothing is to be said of it.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.fault.message.is_empty()
    }
}

/// Whether what failed concerns that one action alone: others may succeed, so it holds up none of them.
#[must_use]
pub const fn concerns_one_action(fault: &Fault) -> bool {
    !fault.reason.concerns_the_portal()
        && !matches!(
            fault.reason,
            Reason::ClusterUnavailable
                | Reason::RequestUnanswered
                | Reason::IssuerNotFound
                | Reason::IssuerNotReady
                | Reason::IssuerDeleting
                | Reason::NamespaceNotAllowed
        )
}

/// Whether trying again soon is of no use. Some faults cost little to look at again, and no event tells that they are
/// over: a Secret of somebody else, of which only the metadata is read, and what keeps an issuer from being used.
#[must_use]
pub const fn lasts(fault: &Fault) -> bool {
    let looked_at_soon = matches!(
        fault.reason,
        Reason::SecretNotOurs | Reason::IssuerNotFound | Reason::IssuerDeleting | Reason::NamespaceNotAllowed
    );
    fault.stalled && !looked_at_soon
}

/// What a refusal stood on.
#[derive(Clone, Debug, PartialEq)]
struct Ground {
    generation: i64,
    asked: BTreeMap<String, String>,
    gone: Vec<String>,
    /// The Secret, if it is ours, and the token that it stores. Not its version: each try writes to it.
    secret: Option<(String, Option<String>)>,
    issuer: IssuerView,
}

impl Ground {
    fn of(seen: &Observed) -> Self {
        let ours = seen.secret.as_ref().filter(|secret| secret.ownership == Ownership::Ours);
        let stored = |secret: &super::pull_secret::SecretMeta| secret.stored.as_ref().map(|stored| stored.id.clone());
        Self {
            generation: seen.object.generation,
            asked: seen.object.asked.clone(),
            gone: seen.object.gone.clone(),
            secret: ours.map(|secret| (secret.uid.clone(), stored(secret))),
            issuer: seen.issuer.clone(),
        }
    }
}

/// What is not to be tried again yet, of each object. By a clock that only runs forward.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patience {
    vain: BTreeMap<String, (Ground, Vec<(Vain, Duration)>)>,
    /// When an edit that the portal rejected is tried again.
    edits: BTreeMap<String, (Ground, Duration)>,
}

impl Patience {
    /// Notes what a pass that ended now has tried in vain, or knew to be in vain.
    pub fn note(&mut self, seen: &Observed, now: Duration) {
        self.note_edit(seen, now);
        let lasting: Vec<_> = seen.vain.iter().filter(|vain| !vain.left.is_zero()).cloned().collect();
        if lasting.is_empty() {
            self.vain.remove(&seen.object.uid);
            return;
        }
        let former = self.left(seen, now);
        // What was known before is waited for no longer than was said then.
        let until = |vain: Vain| {
            let known = former.iter().find(|one| one.deed == vain.deed).map(|one| one.left);
            let left = known.unwrap_or(vain.left);
            (vain, now + left)
        };
        let all = lasting.into_iter().map(until).collect();
        self.vain.insert(seen.object.uid.clone(), (Ground::of(seen), all));
    }

    /// What is not to be tried again yet, for an object as it is seen now. All may be tried where
    /// something changed, and where a closer look is asked for.
    #[must_use]
    pub fn left(&self, seen: &Observed, now: Duration) -> Vec<Vain> {
        let Some((ground, all)) = self.vain.get(&seen.object.uid) else { return vec![] };
        if seen.look_closer || *ground != Ground::of(seen) {
            return vec![];
        }
        let still = |(vain, until): &(Vain, Duration)| {
            let left = until.saturating_sub(now);
            (!left.is_zero()).then(|| Vain { left, ..vain.clone() })
        };
        all.iter().filter_map(still).collect()
    }

    /// A rejected edit waits from the first look at it on, so that a restart does not repeat them all.
    fn note_edit(&mut self, seen: &Observed, now: Duration) {
        let uid = &seen.object.uid;
        if !recorded(&seen.object).edit_rejected {
            self.edits.remove(uid);
            return;
        }
        let ground = Ground::of(seen);
        let waits = self.edits.get(uid).is_some_and(|(former, until)| *former == ground && *until > now);
        let is_due = seen.edit_retry == Some(Duration::ZERO);
        if !(waits || is_due && self.edits.contains_key(uid)) {
            self.edits.insert(uid.clone(), (ground, now + PATIENCE));
        }
    }

    /// How long until an edit that the portal rejected is tried again. At once where something changed, and where a
    /// closer look is asked for.
    #[must_use]
    pub fn edit_retry(&self, seen: &Observed, now: Duration) -> Option<Duration> {
        if !recorded(&seen.object).edit_rejected {
            return None;
        }
        if seen.look_closer {
            return Some(Duration::ZERO);
        }
        let (ground, until) = self.edits.get(&seen.object.uid)?;
        Some(if *ground == Ground::of(seen) { until.saturating_sub(now) } else { Duration::ZERO })
    }

    /// The object is gone.
    pub fn forget(&mut self, uid: &str) {
        self.vain.remove(uid);
        self.edits.remove(uid);
    }
}

#[cfg(test)]
#[path = "vain_tests.rs"]
mod tests;
