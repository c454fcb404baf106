//! The whole Secret is read, and what is not as it should be is put right.

use super::{Flow, Outcome, failed, note};
use crate::api::RecordedSecret;
use crate::domain::effect::{Answer, Content, Named, Request, Write};
use crate::domain::faults::{immutable, refused, wrong_type};
use crate::domain::observed::Observed;
use crate::domain::pull_secret::{Ownership, SecretMeta};
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;
use crate::domain::token_mac::Seal;

/// The request whose answer is awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspecting {
    /// The whole Secret.
    Reading,
    /// The status: other registries have to let the token in.
    Doubting,
    /// A write that puts it right.
    Repairing {
        /// Pods can pull with its content; only labels and annotations are put right.
        content_in_order: bool,
    },
    /// The status: pods can pull, though the API server refuses what was to be put right, as this says.
    NotingRefusal(String),
    /// Its `stored` mark is taken away.
    Disowning,
    /// The status.
    Noting,
}

type Next = Flow<Inspecting>;

/// Begins.
#[must_use]
pub const fn begin() -> Next {
    Flow::Do(Request::ReadContent, Inspecting::Reading)
}

impl Inspecting {
    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(self, seen: &Observed, answer: Answer) -> Next {
        match (self, answer) {
            (Self::Reading, Answer::Content(Some(found))) => judge(seen, &found.1),
            // It is gone: decided anew, on what was just read.
            (Self::Reading, Answer::Content(None))
            | (Self::Disowning, Answer::Secret(_))
            | (Self::Noting, Answer::Object(Some(_))) => Flow::End(Outcome::Again),
            (Self::Doubting, Answer::Object(Some(_))) => repair(seen, false),
            (Self::Repairing { .. }, Answer::Secret(Some(_))) => in_order(seen),
            (Self::Repairing { content_in_order: true }, Answer::Refused(message)) => in_order_but(seen, message),
            (Self::NotingRefusal(message), Answer::Object(Some(_)))
            | (Self::Repairing { .. } | Self::Disowning, Answer::Refused(message)) => {
                Flow::End(Outcome::Failed(refused(&message)))
            }
            (_, other) => Flow::End(failed(other)),
        }
    }
}

fn judge(seen: &Observed, content: &Content) -> Next {
    let (Some(meta), Some(facts)) = (&seen.secret, seen.facts()) else { return Flow::End(Outcome::LookAgain) };
    if meta.ownership == Ownership::Foreign {
        return Flow::End(Outcome::Again);
    }
    let current = recorded(&seen.object).token;
    let stored = meta.stored.as_ref().map(|stored| &stored.id);
    if stored.is_none() || stored != current.as_ref().map(|token| &token.id) {
        // Another operator disowned or replaced the token meanwhile: by the object that was read before, neither
        // are its data good nor is the new login a stranger's.
        return Flow::End(Outcome::Again);
    }
    match content {
        Content::WrongType => Flow::End(Outcome::Failed(wrong_type())),
        Content::Immutable { holds }
            if holds.is_some() && *holds == current.as_ref().map(|one| one.username.clone()) =>
        {
            Flow::End(Outcome::Failed(immutable()))
        }
        Content::Login { username, registries, intact: true, dressed }
            if current.as_ref().is_some_and(|token| token.username == *username) =>
        {
            let sealed = meta.stored.as_ref().map(|stored| &stored.seal) == seal(seen).as_ref();
            if *registries && *dressed && sealed && meta.tied && meta.registries.as_ref() == Some(&facts.registries) {
                in_order(seen)
            } else if *registries {
                repair(seen, true)
            } else {
                // Said first: who dies after the repair would take the token for tried there.
                match note(seen, Fact::OtherRegistries).filter(|_| facts.asks_registry()) {
                    Some(request) => Flow::Do(request, Inspecting::Doubting),
                    None => repair(seen, false),
                }
            }
        }
        // The token in status is not in the Secret: the next decision asks for another.
        Content::Login { .. } | Content::Nothing | Content::Immutable { .. } => {
            Flow::Do(Request::Secret(Write::Disown), Inspecting::Disowning)
        }
    }
}

/// The proof of the current token.
fn seal(seen: &Observed) -> Option<Seal> {
    let known = recorded(&seen.object);
    Some(seen.seal(known.portal.as_ref()?, &Named::from(&known.token?)))
}

fn repair(seen: &Observed, content_in_order: bool) -> Next {
    match seal(seen) {
        Some(seal) => Flow::Do(Request::Secret(Write::Repair(seal)), Inspecting::Repairing { content_in_order }),
        None => Flow::End(Outcome::Again),
    }
}

fn in_order(seen: &Observed) -> Next {
    let Some(meta) = &seen.secret else { return Flow::End(Outcome::LookAgain) };
    match note(seen, Fact::SecretInOrder(as_recorded(seen, meta))) {
        Some(request) => Flow::Do(request, Inspecting::Noting),
        None => Flow::End(Outcome::Again),
    }
}

/// The labels or annotations of the spec are refused. That stops neither pods nor any other action, so the status says
/// first what is true of the content, if it does not yet.
fn in_order_but(seen: &Observed, message: String) -> Next {
    let Some(meta) = &seen.secret else { return Flow::End(Outcome::LookAgain) };
    let known = recorded(&seen.object);
    let is_said = known.ready
        && known.secret_version.as_ref() == Some(&meta.resource_version)
        && known.observed_generation == Some(seen.object.generation);
    match note(seen, Fact::SecretInOrder(as_recorded(seen, meta))).filter(|_| !is_said) {
        Some(request) => Flow::Do(request, Inspecting::NotingRefusal(message)),
        None => Flow::End(Outcome::Failed(refused(&message))),
    }
}

fn as_recorded(seen: &Observed, meta: &SecretMeta) -> RecordedSecret {
    RecordedSecret {
        name: seen.object.secret_name.clone(),
        uid: Some(meta.uid.clone()),
        resource_version: Some(meta.resource_version.clone()),
        mac: None,
    }
}

#[cfg(test)]
#[path = "inspect_tests.rs"]
mod tests;
