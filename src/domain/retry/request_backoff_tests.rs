use super::*;
use crate::domain::decide::{Action, decide};
use crate::domain::model::problem::messages::outcome_unknown;
use crate::domain::model::request_history::{INITIAL_WAIT, MAX_WAIT_AFTER_REJECTION};
use crate::domain::model::status_view::StatusView;
use crate::domain::pass::{Pass, PassResult, Step};
use crate::domain::protocol::{Request, Response};
use crate::domain::status::{StatusEvent, ready_condition};
use crate::domain::test_support::{World, annotations, apply, at, at_rest, at_rest_with, label, new_object, problem};

/// Runs passes every `step` seconds for this long, like a driver that every event triggers. Returns the seconds in
/// which a token was requested.
fn run(
    observed: Observed,
    (seconds, step): (i64, usize),
    response: impl Fn(&str) -> Option<Response>,
    mut meanwhile: impl FnMut(i64, &mut World),
) -> (World, Vec<i64>) {
    let (mut kept, mut world, mut requested) = (KeptHistory::default(), World::of(observed), vec![]);
    for second in (0..seconds).step_by(step) {
        world.observed.now = at(3600 + second);
        meanwhile(second, &mut world);
        world.observed.request_history = kept.of(&world.observed.object, world.observed.now);
        let (mut pass, mut next) = Pass::begin(world.observed.clone());
        while let Step::Perform(request) = next {
            if matches!(request, Request::RequestToken { .. }) {
                requested.push(second);
            }
            let response = response(&label(&request)).unwrap_or_else(|| world.respond(request));
            (pass, next) = pass.step(response, world.observed.now);
        }
        kept.record(pass.observed());
    }
    (world, requested)
}

fn lost(word: &str) -> Option<Response> {
    (word == "token").then(|| Response::PortalOutcomeUnknown(problem(Reason::TimedOut)))
}

fn gaps(requested: &[i64]) -> Vec<i64> {
    requested.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn empty(world: &mut World) {
    if let Some(secret) = world.observed.secret.as_mut() {
        secret.stored = None;
        let version: u64 = secret.resource_version.parse().expect("a version");
        secret.resource_version = (version + 1).to_string();
    }
}

#[test]
fn requests_without_a_clear_answer_are_made_after_ten_seconds_doubling_up_to_an_hour() {
    let (world, requested) = run(new_object(), (12_000, 1), lost, |_, _| {});
    assert_eq!(gaps(&requested), [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600], "{requested:?}");
    let (_, reason, message) = ready_condition(world.observed.object.status.as_ref()).expect("said");
    assert_eq!(reason, "RequestOutcomeUnknown");
    let next = at(3600 + requested.last().expect("one") + 3600).to_string();
    assert!(message.contains(&next), "{message} does not say {next}");
}

#[test]
fn the_condition_is_written_once_a_request_and_not_once_a_pass() {
    let (world, requested) = run(new_object(), (300, 1), lost, |_, _| {});
    assert_eq!(world.statuses().count(), requested.len());
}

#[test]
fn a_first_loss_is_repaired_at_once_and_only_a_repeated_one_waits() {
    let (world, requested) = run(
        at_rest(),
        (61, 1),
        |_| None,
        |second, world| {
            if second % 5 == 0 {
                empty(world);
            }
        },
    );
    // The token at rest was healthy. The next one is lost within seconds, and the following ones wait.
    assert_eq!(requested, [0, 5, 15, 35], "twice immediately, then at increasing intervals");
    let status = world.observed.object.status.as_ref();
    let (value, reason, message) = ready_condition(status).expect("said");
    assert_eq!((value, reason), ("False", "SecretOverwritten"));
    assert!(message.contains("kubectl-edit"), "{message}");
    let terminal =
        crate::domain::model::conditions::is_true(&status.expect("one").conditions, crate::api::ConditionType::Stalled);
    assert!(terminal, "the user must stop that writer");
    let looked_up = world.labels.iter().filter(|word| *word == "find writer").count();
    assert!(looked_up <= requested.len(), "once a request: {looked_up}");
}

#[test]
fn a_token_that_was_kept_for_half_an_hour_ends_the_count() {
    let mut histories = RequestHistory::default();
    let observed = new_object();
    for _ in 0..5 {
        histories.record_sent(observed.now, inputs_hash(&observed));
        histories.record_stored();
    }
    assert!(histories.clone().at(at(3600 + 1700)).count() == 5);
    assert_eq!(histories.clone().at(at(3600 + 1800)), RequestHistory::default());
    histories.record_delayed();
    assert!(histories.at(at(3600 + 1800)).count() == 5, "it was lost, and waits only for the next request");
}

#[test]
fn a_thousand_new_values_of_an_annotation_cost_a_bounded_number_of_tokens() {
    let (world, requested) = run(
        at_rest(),
        (1000, 1),
        |_| None,
        |second, world| {
            world.observed.object.requested_annotations = annotations(&[("replace", &second.to_string())]);
        },
    );
    assert!((5..=12).contains(&requested.len()), "{requested:?}");
    assert!(StatusView::of(&world.observed.object).ready, "pods can pull throughout");
    let status = world.observed.object.status.expect("a status");
    let said = crate::domain::model::conditions::find(&status.conditions, crate::api::ConditionType::Reconciling);
    let said = said.expect("it reports what it waits for");
    assert_eq!(said.reason, "RequestBackoff");
    assert!(said.message.contains("The next request is sent at 20"), "{}", said.message);
}

#[test]
fn a_new_spec_and_a_requested_resync_end_a_wait_three_times() {
    let (_, requested) = run(new_object(), (40, 1), lost, |second, world| {
        world.observed.object.generation = second;
    });
    assert_eq!(requested, [0, 1, 2, 3], "and then it waits like any other request");
    let (_, requested) = run(new_object(), (9, 1), lost, |_, world| world.observed.resync_requested = true);
    assert_eq!(requested, [0, 1, 2, 3]);
}

#[test]
fn a_rejected_request_waits_ten_minutes_at_most_and_what_was_never_sent_not_at_all() {
    let mut history = RequestHistory::default();
    let observed = new_object();
    for _ in 0..20 {
        history.record_sent(observed.now, inputs_hash(&observed));
        history.record_failed(&problem(Reason::RequestRejected));
    }
    assert_eq!(history.left(observed.now), MAX_WAIT_AFTER_REJECTION);
    for response in [Response::NotSent(problem(Reason::Unreachable)), Response::Rejected(problem(Reason::Unauthorized))]
    {
        let refuse = |word: &str| (word == "token").then(|| response.clone());
        let (_, requested) = run(new_object(), (5, 1), refuse, |_, _| {});
        assert_eq!(requested.len(), 5, "{response:?} does not cost a token");
    }
}

#[test]
fn a_request_beyond_the_limit_of_tokens_is_repeated_after_ten_minutes_and_then_less_often() {
    let mut history = RequestHistory::default();
    let observed = new_object();
    let mut waits = vec![];
    for _ in 0..5 {
        history.record_sent(observed.now, inputs_hash(&observed));
        history.record_failed(&problem(Reason::TokenLimitReached));
        waits.push(history.left(observed.now).as_secs() / 60);
    }
    assert_eq!(waits, [10, 20, 40, 60, 60]);
}

#[test]
fn a_clock_that_is_set_back_delays_nothing_for_longer() {
    let mut history = RequestHistory::default();
    let late = Observed { now: at(100_000), ..new_object() };
    history.record_sent(late.now, inputs_hash(&late));
    history.record_failed(&outcome_unknown());
    let history = history.at(at(3600));
    assert_eq!(history.left(at(3610)), Duration::ZERO);
}

#[test]
fn a_rotation_that_waits_blocks_no_edit_of_the_description() {
    let mut observed = at_rest_with(|observed| {
        observed.object.requested_annotations = annotations(&[("replace", "1")]);
        observed.object.generation = 2;
    });
    for _ in 0..6 {
        let snapshot = observed.clone();
        observed.request_history.record_sent(snapshot.now, inputs_hash(&snapshot));
        observed.request_history.record_stored();
    }
    crate::domain::test_support::apply(
        &mut observed,
        crate::domain::status::StatusEvent::SecretInspected(crate::domain::test_support::recorded_secret(), None),
    );
    assert_eq!(decide(&observed), Action::SyncDescription);
    let mut settled = observed.clone();
    crate::domain::test_support::apply(&mut settled, crate::domain::status::StatusEvent::DescriptionSynced);
    assert!(
        matches!(decide(&settled), Action::ReportFor(left, problem) if left > INITIAL_WAIT && problem.reason == Reason::RequestBackoff)
    );
}

#[test]
fn whatever_an_attempt_ends_with_after_its_request_the_next_one_waits() {
    // Each response that may follow a request, and the loss of its token.
    let token = || Response::Token { id: Some("18".to_owned()), username: "tw-18".to_owned(), expiration_time: None };
    let useless = Response::UnusableToken {
        token: crate::domain::test_support::token_ref("18"),
        problem: problem(Reason::InvalidResponse),
    };
    for (response, then) in [
        (useless, None),
        (Response::Done, None),
        (Response::OutcomeUnknown("lost".to_owned()), None),
        (token(), Some(("commit 18", Response::WriteRejected("quota".to_owned())))),
        (token(), Some(("commit 18", Response::Conflict))),
        (token(), Some(("commit 18", Response::OutcomeUnknown("lost".to_owned())))),
    ] {
        let answers = |word: &str| match &then {
            _ if word == "token" => Some(response.clone()),
            Some((at, rejection)) if word == *at => Some(rejection.clone()),
            _ => None,
        };
        let (_, requested) = run(new_object(), (60, 1), answers, |_, _| {});
        assert_eq!(requested, [0, 10, 30], "{response:?}, {then:?}");
    }
}

#[test]
fn a_pass_whose_request_failed_ends_with_the_time_of_the_next_request() {
    let mut world = World::of(new_object()).on("token", Response::PortalOutcomeUnknown(problem(Reason::TimedOut)));
    let PassResult::RequeueAfter(left) = world.pass() else { panic!("it waits") };
    assert_eq!(left, INITIAL_WAIT);
}

#[test]
fn a_process_that_dies_after_each_request_requests_no_more_than_one_that_lives() {
    // Each pass belongs to a process that knows only the status.
    let mut world = World::of(new_object());
    let mut requested = vec![];
    for second in 0..60 {
        world.observed.now = at(3600 + second);
        world.observed.request_history = KeptHistory::default().of(&world.observed.object, world.observed.now);
        let (mut pass, mut next) = Pass::begin(world.observed.clone());
        while let Step::Perform(request) = next {
            if matches!(request, Request::RequestToken { .. }) {
                requested.push(second);
            }
            let response = lost(&label(&request)).unwrap_or_else(|| world.respond(request));
            (pass, next) = pass.step(response, world.observed.now);
        }
    }
    assert_eq!(requested, [0], "the others wait ten seconds after their start");
}

#[test]
fn a_restart_does_not_end_the_wait_of_a_secret_that_is_overwritten() {
    let (world, requested) = run(at_rest(), (61, 1), |_| None, |_, world| empty(world));
    let last = *requested.last().expect("one");
    let after = |second| KeptHistory::default().of(&world.observed.object, at(3600 + second)).left(at(3600 + second));
    assert!(after(61) > Duration::from_mins(1), "{:?}", after(61));
    assert_eq!(after(last + 161), Duration::ZERO);
    let good = KeptHistory::default().of(&at_rest().object, at(3600));
    assert_eq!(good, RequestHistory::default(), "an old token is healthy");
}

#[test]
fn a_restart_does_not_end_the_wait_after_a_request_that_gave_no_token_to_keep() {
    for reason in
        [Reason::InvalidResponse, Reason::SecretRejected, Reason::LoginRejected, Reason::RequestOutcomeUnknown]
    {
        for pods_can_pull in [false, true] {
            let observed = at_rest_with(|observed| {
                apply(observed, StatusEvent::ProblemFound { problem: problem(reason), pods_can_pull });
            });
            let history = KeptHistory::default().of(&observed.object, at(3600));
            assert!(history.left(at(3601)) > Duration::ZERO, "{reason}, working: {pods_can_pull}");
            assert_eq!(history.left(at(3611)), Duration::ZERO, "{reason}");
        }
    }
}

#[test]
fn the_wait_after_a_restart_ends_although_every_event_starts_a_pass() {
    let mut observed = new_object();
    let problem = problem(Reason::RequestOutcomeUnknown);
    apply(&mut observed, StatusEvent::ProblemFound { problem, pods_can_pull: false });
    let (_, requested) = run(observed, (30, 1), |_| None, |_, _| {});
    assert_eq!(requested, [10], "the delay runs from the first pass");
}

#[test]
fn what_is_kept_after_one_stored_token_delays_as_the_whole_history_does() {
    let mut observed = new_object();
    let sent = observed.now;
    observed.request_history.record_sent(sent, inputs_hash(&observed));
    observed.request_history.record_stored();
    let mut kept = KeptHistory::default();
    kept.record(&observed);
    assert_eq!(kept, KeptHistory::OneStored(sent));
    let (mut whole, mut few) = (observed.request_history.clone(), kept.of(&observed.object, sent));
    for seconds in [1, 2, 4, 8] {
        let now = at(3600 + seconds);
        assert_eq!(few.left(now), whole.left(now));
        for history in [&mut whole, &mut few] {
            history.record_sent(now, "changed".to_owned());
            history.record_stored();
        }
        assert_eq!(few, whole, "after another request the histories are equal");
    }
    // A token that was lost is more than the time of a request.
    observed.request_history.record_delayed();
    kept.record(&observed);
    assert!(matches!(kept, KeptHistory::Other(_)));
    assert!(kept.of(&observed.object, at(3600 + 1800)).count() == 1, "it is kept for longer than half an hour");
}
