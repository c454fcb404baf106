//! One attempt to get a token, as a state machine: (state, answer) -> (state, request).
//!
//! Nothing here does anything. Whoever drives it performs one request and brings the answer, so
//! that "the process dies after the n-th request" can be enumerated. The secret is never seen
//! here: the driver keeps it between [`Request::Token`] and [`Request::Commit`].

use crate::api::Reason;

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Write the reservation into the Secret, at the version that was read; create it if there is none.
    Reserve,
    /// Read the issuer, past every cache.
    ReadIssuer,
    /// Ask the portal for a token: sent once.
    Token,
    /// Look the token's id up by its marker.
    FindId,
    /// Write the token into the Secret, at the version that carries the reservation.
    Commit {
        /// The portal's id of it.
        id: String,
    },
    /// Read the Secret, past every cache.
    ReadSecret,
    /// Take the reservation back: nothing was sent, or the portal refused.
    Drop,
    /// Take the reservation back, and keep the attempt as one that may have made a token.
    Abandon,
    /// Revoke the token that could not be stored.
    Revoke {
        /// The portal's id of it.
        id: String,
    },
    /// Note the token in status as one to revoke, for revoking it failed.
    Retire {
        /// The portal's id of it.
        id: String,
    },
    /// Write the token into the object's status.
    Record {
        /// The portal's id of it.
        id: String,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done. For [`Request::ReadIssuer`]: it may be used.
    Done,
    /// Somebody else wrote first, or the answer got lost; what holds has to be read.
    Unclear,
    /// It failed, or is refused; with the fact to show.
    Failed(Fault),
    /// [`Request::Token`]: nothing was made.
    NotMade(Fault),
    /// [`Request::Token`] gave a token, with its id where the answer held one.
    Token {
        /// The portal's id of it.
        id: Option<String>,
    },
    /// [`Request::FindId`] found it.
    Id(String),
    /// [`Request::ReadSecret`]: what the Secret says of this attempt.
    Secret(Mine),
}

/// What a Secret says of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mine {
    /// Its token is stored.
    Stored,
    /// It is reserved.
    Reserved,
    /// Neither.
    Neither,
}

/// Why an attempt did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The word for it.
    pub reason: Reason,
    /// For people: what happened and what to do.
    pub message: String,
    /// Nothing goes on until somebody changes something.
    pub stalled: bool,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The token is stored and recorded.
    Recorded,
    /// The world changed meanwhile: look again.
    LookAgain,
    /// It did not succeed.
    Failed(Fault),
}

/// Where an attempt stands: the request whose answer is awaited, with what must be remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Reserving,
    ReadingIssuer,
    Asking,
    Finding,
    Committing { id: String, tries: u8 },
    Reading { id: String, tries: u8, refused: Option<Fault> },
    Dropping { outcome: Outcome },
    Abandoning { outcome: Outcome, revoke: Option<String> },
    Revoking { id: String, outcome: Outcome },
    Retiring { id: String, outcome: Outcome },
    Recording { id: String },
    Ended(Outcome),
}

/// How often a commit is tried, or what became of it read, before the next pass takes over.
const TRIES: u8 = 5;

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine(Stage);

/// What the driver does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Perform this and bring the answer.
    Do(Request),
    /// The attempt is over.
    End(Outcome),
}

impl Machine {
    /// Begins with the reservation: quota, admission, permissions and name are proved before a
    /// token exists.
    #[must_use]
    pub const fn begin() -> Self {
        Self(Stage::Reserving)
    }

    /// What is to be done now.
    #[must_use]
    pub fn next(&self) -> Next {
        Next::Do(match &self.0 {
            Stage::Reserving => Request::Reserve,
            Stage::ReadingIssuer => Request::ReadIssuer,
            Stage::Asking => Request::Token,
            Stage::Finding => Request::FindId,
            Stage::Committing { id, .. } => Request::Commit { id: id.clone() },
            Stage::Reading { .. } => Request::ReadSecret,
            Stage::Dropping { .. } => Request::Drop,
            Stage::Abandoning { .. } => Request::Abandon,
            Stage::Revoking { id, .. } => Request::Revoke { id: id.clone() },
            Stage::Retiring { id, .. } => Request::Retire { id: id.clone() },
            Stage::Recording { id } => Request::Record { id: id.clone() },
            Stage::Ended(outcome) => return Next::End(outcome.clone()),
        })
    }

    /// Takes the answer to what was to be done. An answer that does not belong to the request
    /// counts as unclear: it never leads on to a further write.
    #[must_use]
    pub fn step(self, answer: Answer) -> Self {
        Self(match self.0 {
            Stage::Reserving => reserved(answer),
            Stage::ReadingIssuer => issuer_read(answer),
            Stage::Asking => asked(answer),
            Stage::Finding => found(answer),
            Stage::Committing { id, tries } => committed(id, tries, answer),
            Stage::Reading { id, tries, refused } => secret_read(id, tries, refused, answer),
            Stage::Abandoning { outcome, revoke: Some(id) } => Stage::Revoking { id, outcome },
            Stage::Revoking { id, outcome } if answer != Answer::Done => Stage::Retiring { id, outcome },
            Stage::Recording { .. } if answer == Answer::Done => Stage::Ended(Outcome::Recorded),
            // The token is stored: what status lacks is adopted by the next pass.
            Stage::Recording { .. } => Stage::Ended(Outcome::LookAgain),
            Stage::Dropping { outcome }
            | Stage::Abandoning { outcome, revoke: None }
            | Stage::Revoking { outcome, .. }
            | Stage::Retiring { outcome, .. }
            | Stage::Ended(outcome) => Stage::Ended(outcome),
        })
    }
}

fn reserved(answer: Answer) -> Stage {
    match answer {
        Answer::Done => Stage::ReadingIssuer,
        Answer::Failed(fault) => Stage::Ended(Outcome::Failed(fault)),
        _ => Stage::Ended(Outcome::LookAgain),
    }
}

fn issuer_read(answer: Answer) -> Stage {
    match answer {
        Answer::Done => Stage::Asking,
        Answer::Failed(fault) => Stage::Dropping { outcome: Outcome::Failed(fault) },
        _ => Stage::Dropping { outcome: Outcome::LookAgain },
    }
}

fn asked(answer: Answer) -> Stage {
    match answer {
        Answer::Token { id: Some(id) } => Stage::Committing { id, tries: TRIES },
        Answer::Token { id: None } => Stage::Finding,
        Answer::NotMade(fault) => Stage::Dropping { outcome: Outcome::Failed(fault) },
        Answer::Failed(fault) => Stage::Abandoning { outcome: Outcome::Failed(fault), revoke: None },
        _ => Stage::Abandoning { outcome: Outcome::LookAgain, revoke: None },
    }
}

fn found(answer: Answer) -> Stage {
    match answer {
        Answer::Id(id) => Stage::Committing { id, tries: TRIES },
        // A token that cannot be named cannot be revoked later: it is sought again, and then it goes.
        Answer::Failed(fault) => Stage::Abandoning { outcome: Outcome::Failed(fault), revoke: None },
        _ => Stage::Abandoning { outcome: Outcome::LookAgain, revoke: None },
    }
}

fn committed(id: String, tries: u8, answer: Answer) -> Stage {
    match answer {
        Answer::Done => Stage::Recording { id },
        Answer::Failed(fault) => Stage::Reading { id, tries, refused: Some(fault) },
        _ => Stage::Reading { id, tries, refused: None },
    }
}

fn secret_read(id: String, tries: u8, refused: Option<Fault>, answer: Answer) -> Stage {
    let left = tries.saturating_sub(1);
    match (answer, refused) {
        (Answer::Secret(Mine::Stored), _) => Stage::Recording { id },
        (Answer::Secret(Mine::Reserved), Some(fault)) => {
            Stage::Abandoning { outcome: Outcome::Failed(fault), revoke: Some(id) }
        }
        (Answer::Secret(Mine::Reserved), None) if left > 0 => Stage::Committing { id, tries: left },
        (Answer::Secret(Mine::Reserved), None) => Stage::Abandoning { outcome: Outcome::LookAgain, revoke: Some(id) },
        // Nothing names this attempt any more, and nothing can: nobody else would revoke it.
        (Answer::Secret(Mine::Neither), Some(fault)) => Stage::Revoking { id, outcome: Outcome::Failed(fault) },
        (Answer::Secret(Mine::Neither), None) => Stage::Revoking { id, outcome: Outcome::LookAgain },
        (_, refused) if left > 0 => Stage::Reading { id, tries: left, refused },
        // What the Secret says is found by the next pass: stored is adopted, reserved is given up.
        _ => Stage::Ended(Outcome::LookAgain),
    }
}

#[cfg(test)]
#[path = "attempt_tests.rs"]
mod tests;
