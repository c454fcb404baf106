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
