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
mod tests {
    use super::*;

    fn fault() -> Fault {
        Fault { reason: Reason::SecretRefused, message: "quota".into(), stalled: false }
    }

    /// Runs to the end and returns what was done, in order.
    fn run(answers: Vec<Answer>) -> (Vec<Request>, Outcome) {
        let (mut machine, mut done, mut answers) = (Machine::begin(), vec![], answers.into_iter());
        loop {
            match machine.next() {
                Next::End(outcome) => return (done, outcome),
                Next::Do(request) => done.push(request),
            }
            machine = machine.step(answers.next().unwrap_or(Answer::Done));
        }
    }

    fn token() -> Answer {
        Answer::Token { id: Some("17".into()) }
    }

    fn up_to_commit() -> Vec<Answer> {
        vec![Answer::Done, Answer::Done, token()]
    }

    fn ends(mut answers: Vec<Answer>, further: impl IntoIterator<Item = Answer>) -> (Vec<Request>, Outcome) {
        answers.extend(further);
        run(answers)
    }

    #[test]
    fn the_order_is_reserve_issuer_token_commit_record() {
        let (done, outcome) = run(up_to_commit());
        let id = || "17".to_owned();
        assert_eq!(
            done,
            [
                Request::Reserve,
                Request::ReadIssuer,
                Request::Token,
                Request::Commit { id: id() },
                Request::Record { id: id() }
            ]
        );
        assert_eq!(outcome, Outcome::Recorded);
    }

    #[test]
    fn an_unclear_answer_to_the_request_is_abandoned_and_never_sent_again() {
        for answer in [Answer::Failed(fault()), Answer::Unclear, Answer::Done] {
            let (done, _) = run(vec![Answer::Done, Answer::Done, answer]);
            assert_eq!(done, [Request::Reserve, Request::ReadIssuer, Request::Token, Request::Abandon]);
        }
    }

    #[test]
    fn nothing_is_asked_for_without_a_reservation_and_an_issuer() {
        assert_eq!(run(vec![Answer::Unclear]), (vec![Request::Reserve], Outcome::LookAgain));
        let (done, _) = run(vec![Answer::Done, Answer::Failed(fault())]);
        assert_eq!(done, [Request::Reserve, Request::ReadIssuer, Request::Drop]);
    }

    #[test]
    fn a_lost_commit_whose_secret_holds_the_token_is_recorded() {
        let (done, outcome) = ends(up_to_commit(), [Answer::Unclear, Answer::Secret(Mine::Stored)]);
        assert_eq!(done.last(), Some(&Request::Record { id: "17".into() }));
        assert_eq!(outcome, Outcome::Recorded);
    }

    #[test]
    fn a_token_that_nothing_names_is_revoked_and_if_that_fails_noted() {
        let lost = [Answer::Unclear, Answer::Secret(Mine::Neither)];
        let (done, _) = ends(up_to_commit(), lost.clone());
        assert_eq!(done.last(), Some(&Request::Revoke { id: "17".into() }));
        let (done, _) = ends(up_to_commit(), lost.into_iter().chain([Answer::Unclear]));
        assert_eq!(done.last(), Some(&Request::Retire { id: "17".into() }));
    }

    #[test]
    fn a_refused_commit_is_abandoned_before_its_token_is_revoked() {
        let (done, outcome) = ends(up_to_commit(), [Answer::Failed(fault()), Answer::Secret(Mine::Reserved)]);
        assert_eq!(done[done.len() - 2..], [Request::Abandon, Request::Revoke { id: "17".into() }]);
        assert_eq!(outcome, Outcome::Failed(fault()));
    }

    #[test]
    fn every_sequence_of_answers_ends_and_sends_at_most_one_request_for_a_token() {
        let all = [
            Answer::Done,
            Answer::Unclear,
            Answer::Failed(fault()),
            Answer::NotMade(fault()),
            token(),
            Answer::Token { id: None },
            Answer::Id("17".into()),
            Answer::Secret(Mine::Stored),
            Answer::Secret(Mine::Reserved),
            Answer::Secret(Mine::Neither),
        ];
        // All states that can be reached in so many steps, step by step.
        let mut level = vec![(Machine::begin(), 0_u32)];
        let mut seen = 0;
        for depth in 0.. {
            assert!(depth < 32, "an attempt goes on for ever");
            let mut following: Vec<(Machine, u32)> = vec![];
            for (machine, asked) in &level {
                let Next::Do(request) = machine.next() else { continue };
                let asked = asked + u32::from(request == Request::Token);
                assert!(asked <= 1, "asked twice");
                for answer in &all {
                    let reached = (machine.clone().step(answer.clone()), asked);
                    if !following.contains(&reached) {
                        following.push(reached);
                    }
                }
            }
            seen += following.len();
            if following.is_empty() {
                break;
            }
            level = following;
        }
        assert!(seen > 50, "only {seen} states");
    }
}
