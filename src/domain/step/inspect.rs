//! The whole Secret is read, and what is not as it should be is put right.

use super::{Flow, Outcome, failed, note};
use crate::api::RecordedSecret;
use crate::domain::effect::{Answer, Content, Named, Request, Write};
use crate::domain::faults::{immutable, wrong_type};
use crate::domain::observed::Observed;
use crate::domain::pull_secret::Ownership;
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;
use crate::domain::token_mac::Seal;

/// The request whose answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inspecting {
    /// The whole Secret.
    Reading,
    /// The status: other registries have to let the token in.
    Doubting,
    /// A write that puts it right.
    Repairing,
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
            (Self::Doubting, Answer::Object(Some(_))) => repair(seen),
            (Self::Repairing, Answer::Secret(Some(_))) => in_order(seen),
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
                repair(seen)
            } else {
                // Said first: who dies after the repair would take the token for tried there.
                match note(seen, Fact::OtherRegistries).filter(|_| facts.asks_registry()) {
                    Some(request) => Flow::Do(request, Inspecting::Doubting),
                    None => repair(seen),
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

fn repair(seen: &Observed) -> Next {
    match seal(seen) {
        Some(seal) => Flow::Do(Request::Secret(Write::Repair(seal)), Inspecting::Repairing),
        None => Flow::End(Outcome::Again),
    }
}

fn in_order(seen: &Observed) -> Next {
    let Some(meta) = &seen.secret else { return Flow::End(Outcome::LookAgain) };
    let secret = RecordedSecret {
        name: seen.object.secret_name.clone(),
        uid: Some(meta.uid.clone()),
        resource_version: Some(meta.resource_version.clone()),
    };
    match note(seen, Fact::SecretInOrder(secret)) {
        Some(request) => Flow::Do(request, Inspecting::Noting),
        None => Flow::End(Outcome::Again),
    }
}

#[cfg(test)]
#[path = "inspect_tests.rs"]
mod tests;
