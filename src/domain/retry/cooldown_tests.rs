use super::*;
use crate::api::Reason;
use crate::domain::actions::status_write;
use crate::domain::decide::{Action, decide};
use crate::domain::model::cooldown::is_permanent;
use crate::domain::model::problem::Problem;
use crate::domain::model::request_cause::Cause;
use crate::domain::model::status_view::StatusView;
use crate::domain::pass::{Pass, PassResult, Step};
use crate::domain::protocol::{Response, SecretContent};
use crate::domain::status::StatusEvent;
use crate::domain::test_support::{
    World, annotations, apply, at, at_rest, at_rest_with, change_issuer, deleting, empty_secret, new_object, not_ready,
    problem, request_cause, retiring,
};

fn rejection() -> Problem {
    Problem { terminal: true, ..problem(Reason::RequestRejected) }
}

/// Runs a pass every 30 seconds for this long, like the driver. `refuse` may answer a request; all others succeed.
/// Returns the requests.
fn run(
    observed: Observed,
    minutes: u64,
    refuse: impl Fn(&str) -> Option<Response>,
    mut meanwhile: impl FnMut(u64, &mut Observed),
) -> (World, Vec<String>) {
    let (mut patience, mut world, mut all) = (Cooldowns::default(), World::of(observed), vec![]);
    for half in 0..minutes * 2 {
        let now = Duration::from_secs(half * 30);
        world.observed.now = at(3600 + i64::try_from(now.as_secs()).expect("a time"));
        meanwhile(half, &mut world.observed);
        world.observed.cooldowns = vec![];
        world.observed.cooldowns = patience.active(&world.observed, now);
        let (mut pass, mut next) = Pass::begin(world.observed.clone());
        while let Step::Perform(request) = next {
            all.push(crate::domain::test_support::label(&request));
            let refused = all.last().and_then(|asked| refuse(asked));
            let response = refused.unwrap_or_else(|| world.respond(request));
            (pass, next) = pass.step(response, world.observed.now);
        }
        patience.record(pass.observed(), now);
        world.observed.resync_requested = false;
    }
    (world, all)
}

fn count(all: &[String], word: &str) -> usize {
    all.iter().filter(|one| *one == word).count()
}

fn rejects(word: &'static str, response: Response) -> impl Fn(&str) -> Option<Response> {
    move |asked| (asked == word).then(|| response.clone())
}

#[test]
fn a_rejected_request_is_made_six_times_an_hour() {
    let (world, all) = run(new_object(), 60, rejects("token", Response::Rejected(rejection())), |_, _| {});
    assert_eq!((count(&all, "token"), count(&all, "reserve"), count(&all, "clear reservation")), (6, 6, 6));
    assert_eq!(world.statuses().count(), 1, "it is reported once");
    let rotate = at_rest_with(|observed| observed.object.requested_annotations = annotations(&[("rotate", "1")]));
    let (world, all) = run(rotate, 60, rejects("token", Response::Rejected(rejection())), |_, _| {});
    // Before and after each attempt, since it wrote to the Secret.
    assert_eq!((count(&all, "token"), count(&all, "read content")), (6, 12));
    assert!(StatusView::of(&world.observed.object).ready);
}

#[test]
fn a_secret_that_cannot_be_changed_is_read_six_times_an_hour() {
    let mut observed = at_rest_with(|observed| observed.object.generation = 2);
    observed.secret.as_mut().expect("a Secret").owned_and_labeled = false;
    let holds = Some("tw-17".to_owned());
    let immutable = Response::Content(
        observed.secret.clone().map(|meta| Box::new((meta, SecretContent::Immutable { username: holds }))),
    );
    let (_, all) = run(observed, 60, rejects("read content", immutable), |_, _| {});
    assert_eq!(count(&all, "read content"), 6);
}

#[test]
fn a_rejected_revocation_is_retried_six_times_an_hour_also_for_a_deleted_object() {
    let due = at_rest_with(|observed| apply(observed, StatusEvent::TokenRetiring(retiring("12", at(0)))));
    let (world, all) = run(due, 60, rejects("revoke 12", Response::Rejected(rejection())), |_, _| {});
    assert_eq!((count(&all, "revoke 12"), world.statuses().count()), (6, 1));
    let (_, all) = run(deleting(at_rest()), 60, rejects("revoke 17", Response::Rejected(rejection())), |_, _| {});
    assert_eq!(count(&all, "revoke 17"), 6);
}

#[test]
fn a_changed_fingerprint_ends_the_cooldown() {
    let deny = || rejects("token", Response::Rejected(rejection()));
    let tries = |change: fn(&mut Observed)| {
        let (_, all) = run(new_object(), 10, deny(), |half, observed| {
            if half == 6 {
                change(observed);
            }
        });
        count(&all, "token")
    };
    assert_eq!(tries(|_| {}), 1);
    assert_eq!(tries(|observed| observed.object.generation = 2), 2);
    assert_eq!(tries(|observed| observed.resync_requested = true), 2, "requested by annotation; each value once");
    assert_eq!(tries(|observed| change_issuer(observed, |issuer| issuer.config_hash = [1; 32])), 2);
    assert_eq!(tries(|observed| observed.object.requested_annotations = annotations(&[("rotate", "1")])), 2);
    assert_eq!(
        tries(|observed| observed.object.confirmed_revoked = vec!["tw-12".into()]),
        2,
        "the user confirmed that it is revoked"
    );
    assert_eq!(tries(|observed| observed.secret = None), 2);
}

#[test]
fn a_transient_problem_is_retried_soon() {
    for response in [Response::NotSent(problem(Reason::Unreachable)), Response::Rejected(problem(Reason::Unauthorized))]
    {
        let (_, all) = run(new_object(), 10, rejects("token", response), |_, _| {});
        assert_eq!(count(&all, "token"), 20);
    }
    assert!(
        !is_permanent(&crate::domain::model::problem::messages::secret_not_owned(&empty_secret())),
        "no event reports that it was deleted"
    );
}

#[test]
fn a_retiring_token_that_is_due_is_revoked_whatever_else_there_is_to_wait_for() {
    use crate::domain::model::pull_secret::Ownership;
    let due = |change: fn(&mut Observed)| {
        let mut observed = at_rest_with(|observed| apply(observed, StatusEvent::TokenRetiring(retiring("12", at(0)))));
        change(&mut observed);
        observed
    };
    for observed in [
        due(|observed| (observed.object.suspended, observed.secret) = (true, None)),
        due(|observed| observed.secret.as_mut().expect("a Secret").ownership = Ownership::Foreign),
        due(|observed| observed.secret.as_mut().expect("a Secret").resource_version = "6".into()),
        due(|observed| {
            apply(
                observed,
                StatusEvent::LoginChecked(crate::domain::model::login_result::LoginResult::Unknown("down".into())),
            );
        }),
        due(|observed| {
            observed.object.reissue_revoked = false;
            apply(observed, StatusEvent::RevokedUpstream { problem: problem(Reason::RevokedUpstream), again: false });
        }),
    ] {
        assert_eq!(decide(&observed), Action::RevokeRetiring);
    }
    let secret = due(|observed| {
        observed.secret.as_mut().and_then(|secret| secret.stored.as_mut()).expect("a token").id = "12".into();
    });
    assert_eq!(decide(&secret), Action::RequestToken(request_cause(Cause::Lost)), "pods may still use it");
    assert_eq!(decide(&Observed { issuer: not_ready(), ..due(|_| {}) }), Action::Idle);
}

#[test]
fn a_blocked_revocation_is_reported_and_blocks_neither_a_replacement_nor_an_edit() {
    for word in ["find 12", "revoke 12"] {
        let mut observed = at_rest_with(|observed| {
            observed.object.requested_annotations = annotations(&[("replace", "1")]);
            apply(observed, StatusEvent::TokenRetiring(retiring("12", at(0))));
            apply(observed, StatusEvent::DescriptionNotSynced(Reason::DescriptionPending, String::new()));
        });
        observed.now = at(7200);
        let mut world = World::of(observed);
        world = world.on(word, Response::NotSent(problem(Reason::Unreachable)));
        let end = world.pass();
        assert!(
            matches!(&end, PassResult::Failed(problem) if problem.message.contains("tw-12 is not revoked yet")),
            "{end:?}"
        );
        for done in ["token", "revoke 17", "edit 18"] {
            assert_eq!(count(&world.labels, done), 1, "{done}: {:?}", world.labels);
        }
        let status = StatusView::of(&world.observed.object);
        assert!(status.ready && status.has_problem && status.is_retiring("12") && !status.is_retiring("17"));
    }
}

#[test]
fn one_blocked_revocation_blocks_no_other() {
    let observed = at_rest_with(|observed| {
        apply(observed, StatusEvent::TokenRetiring(retiring("12", at(0))));
        apply(observed, StatusEvent::TokenRetiring(retiring("13", at(0))));
    });
    let mut world = World::of(observed).on("revoke 13", Response::Rejected(rejection()));
    assert!(matches!(world.pass(), PassResult::RequeueAfter(left) if left == COOLDOWN), "{:?}", world.labels);
    let status = StatusView::of(&world.observed.object);
    assert_eq!((status.is_retiring("12"), status.is_retiring("13")), (false, true));
}

#[test]
fn other_problems_are_reported_with_it() {
    let mut observed = at_rest_with(|observed| apply(observed, StatusEvent::TokenRetiring(retiring("12", at(0)))));
    (observed.secret, observed.object.suspended) = (None, true);
    let mut world = World::of(observed).on("revoke 12", Response::Rejected(rejection()));
    let end = world.pass();
    let PassResult::Failed(said) = end else { panic!("{end:?}") };
    assert_eq!(said.reason, Reason::Suspended);
    assert!(said.message.contains("Also: the token tw-12"), "{}", said.message);
}

#[test]
fn a_token_is_revoked_at_once_after_a_loss_though_the_registry_is_down() {
    let mut observed = at_rest();
    observed.secret = Some(empty_secret());
    let down = crate::domain::model::login_result::LoginResult::Unknown("down".into());
    let mut world = World::of(observed).with_login_result(down);
    world.pass();
    assert_eq!(count(&world.labels, "revoke 17"), 1, "{:?}", world.labels);
    assert!(!StatusView::of(&world.observed.object).ready);
}

#[test]
fn an_empty_message_is_not_written() {
    assert_eq!(status_write(&at_rest(), StatusEvent::TimestampsClamped), None);
}
