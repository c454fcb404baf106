use super::*;
use crate::domain::cause::Cause;
use crate::domain::decide::{Action, decide};
use crate::domain::effect::{Answer, Content};
use crate::domain::pass::{End, Next, Pass};
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;
use crate::domain::step::note;
use crate::domain::testing::{
    World, asked, at, at_rest, but, empty_secret, errand, fault, going, new, not_ready, of_issuer, retiring, tell,
};

fn refusal() -> Fault {
    Fault { stalled: true, ..fault(Reason::RequestRefused) }
}

/// Passes every half a minute for so long, as a driver begins them, each answered by `refuse` or well; gives
/// what was asked for.
fn run(
    seen: Observed,
    minutes: u64,
    refuse: impl Fn(&str) -> Option<Answer>,
    mut meanwhile: impl FnMut(u64, &mut Observed),
) -> (World, Vec<String>) {
    let (mut patience, mut world, mut all) = (Patience::default(), World::of(seen), vec![]);
    for half in 0..minutes * 2 {
        let now = Duration::from_secs(half * 30);
        world.seen.now = at(3600 + i64::try_from(now.as_secs()).expect("a time"));
        meanwhile(half, &mut world.seen);
        world.seen.vain = vec![];
        world.seen.vain = patience.left(&world.seen, now);
        let (mut pass, mut next) = Pass::begin(world.seen.clone());
        while let Next::Do(request) = next {
            all.push(crate::domain::testing::word(&request));
            let refused = all.last().and_then(|asked| refuse(asked));
            let answer = refused.unwrap_or_else(|| world.answer(request));
            (pass, next) = pass.step(answer, world.seen.now);
        }
        patience.note(pass.seen(), now);
        world.seen.look_closer = false;
    }
    (world, all)
}

fn count(all: &[String], word: &str) -> usize {
    all.iter().filter(|one| *one == word).count()
}

fn refuses(word: &'static str, answer: Answer) -> impl Fn(&str) -> Option<Answer> {
    move |asked| (asked == word).then(|| answer.clone())
}

#[test]
fn a_request_that_is_refused_is_made_six_times_an_hour() {
    let (world, all) = run(new(), 60, refuses("token", Answer::Denied(refusal())), |_, _| {});
    assert_eq!((count(&all, "token"), count(&all, "reserve"), count(&all, "drop")), (6, 6, 6));
    assert_eq!(world.statuses().count(), 1, "it is said once");
    let rotate = but(|seen| seen.object.asked = asked(&[("rotate", "1")]));
    let (world, all) = run(rotate, 60, refuses("token", Answer::Denied(refusal())), |_, _| {});
    // Before each, and after it, for it wrote to the Secret.
    assert_eq!((count(&all, "token"), count(&all, "read content")), (6, 12));
    assert!(recorded(&world.seen.object).ready);
}

#[test]
fn a_secret_that_cannot_be_changed_is_read_six_times_an_hour() {
    let mut seen = but(|seen| seen.object.generation = 2);
    seen.secret.as_mut().expect("a Secret").tied = false;
    let holds = Some("tw-17".to_owned());
    let immutable = Answer::Content(seen.secret.clone().map(|meta| Box::new((meta, Content::Immutable { holds }))));
    let (_, all) = run(seen, 60, refuses("read content", immutable), |_, _| {});
    assert_eq!(count(&all, "read content"), 6);
}

#[test]
fn a_revocation_that_is_refused_is_tried_six_times_an_hour_and_so_is_that_of_an_object_that_goes() {
    let due = but(|seen| tell(seen, Fact::Retiring(retiring("12", at(0)))));
    let (world, all) = run(due, 60, refuses("revoke 12", Answer::Denied(refusal())), |_, _| {});
    assert_eq!((count(&all, "revoke 12"), world.statuses().count()), (6, 1));
    let (_, all) = run(going(at_rest()), 60, refuses("revoke 17", Answer::Denied(refusal())), |_, _| {});
    assert_eq!(count(&all, "revoke 17"), 6);
}

#[test]
fn whatever_the_refusal_stood_on_cuts_the_wait_short_when_it_changes() {
    let deny = || refuses("token", Answer::Denied(refusal()));
    let tries = |change: fn(&mut Observed)| {
        let (_, all) = run(new(), 10, deny(), |half, seen| {
            if half == 6 {
                change(seen);
            }
        });
        count(&all, "token")
    };
    assert_eq!(tries(|_| {}), 1);
    assert_eq!(tries(|seen| seen.object.generation = 2), 2);
    assert_eq!(tries(|seen| seen.look_closer = true), 2, "asked for by annotation; each value once");
    assert_eq!(tries(|seen| of_issuer(seen, |facts| facts.inputs = [1; 32])), 2);
    assert_eq!(tries(|seen| seen.object.asked = asked(&[("rotate", "1")])), 2);
    assert_eq!(tries(|seen| seen.object.gone = vec!["tw-12".into()]), 2, "its user says that it is revoked");
    assert_eq!(tries(|seen| seen.secret = None), 2);
}

#[test]
fn what_may_pass_is_tried_soon() {
    for answer in [Answer::NotSent(fault(Reason::Unreachable)), Answer::Denied(fault(Reason::Unauthorised))] {
        let (_, all) = run(new(), 10, refuses("token", answer), |_, _| {});
        assert_eq!(count(&all, "token"), 20);
    }
    assert!(!lasts(&crate::domain::faults::not_ours(&empty_secret())), "no event tells that it went");
}

#[test]
fn a_retiring_token_that_is_due_is_revoked_whatever_else_there_is_to_wait_for() {
    use crate::domain::pull_secret::Ownership;
    let due = |change: fn(&mut Observed)| {
        let mut seen = but(|seen| tell(seen, Fact::Retiring(retiring("12", at(0)))));
        change(&mut seen);
        seen
    };
    for seen in [
        due(|seen| (seen.object.suspended, seen.secret) = (true, None)),
        due(|seen| seen.secret.as_mut().expect("a Secret").ownership = Ownership::Foreign),
        due(|seen| seen.secret.as_mut().expect("a Secret").resource_version = "6".into()),
        due(|seen| tell(seen, Fact::LoggedIn(crate::domain::effect::Verdict::Unknown("down".into())))),
        due(|seen| {
            seen.object.reissue = false;
            tell(seen, Fact::RevokedUpstream { fault: fault(Reason::RevokedUpstream), again: false });
        }),
    ] {
        assert_eq!(decide(&seen), Action::RevokeRetiring);
    }
    let held =
        due(|seen| seen.secret.as_mut().and_then(|held| held.stored.as_mut()).expect("a token").id = "12".into());
    assert_eq!(decide(&held), Action::Attempt(errand(Cause::Lost)), "pods may still use it");
    assert_eq!(decide(&Observed { issuer: not_ready(), ..due(|_| {}) }), Action::Rest);
}

#[test]
fn a_revocation_that_sticks_is_said_and_holds_up_neither_a_replacement_nor_an_edit() {
    for word in ["find 12", "revoke 12"] {
        let mut seen = but(|seen| {
            seen.object.asked = asked(&[("replace", "1")]);
            tell(seen, Fact::Retiring(retiring("12", at(0))));
            tell(seen, Fact::DescriptionNotSynced(Reason::EditPending, String::new()));
        });
        seen.now = at(7200);
        let mut world = World::of(seen);
        world = world.on(word, Answer::NotSent(fault(Reason::Unreachable)));
        let end = world.pass();
        assert!(matches!(&end, End::Failed(fault) if fault.message.contains("tw-12 is not revoked yet")), "{end:?}");
        for done in ["token", "revoke 17", "edit 18"] {
            assert_eq!(count(&world.asked, done), 1, "{done}: {:?}", world.asked);
        }
        let known = recorded(&world.seen.object);
        assert!(known.ready && known.hindered && known.retires("12") && !known.retires("17"));
    }
}

#[test]
fn one_retiring_token_that_sticks_keeps_no_other_alive() {
    let seen = but(|seen| {
        tell(seen, Fact::Retiring(retiring("12", at(0))));
        tell(seen, Fact::Retiring(retiring("13", at(0))));
    });
    let mut world = World::of(seen).on("revoke 13", Answer::Denied(refusal()));
    assert!(matches!(world.pass(), End::After(left) if left == PATIENCE), "{:?}", world.asked);
    let known = recorded(&world.seen.object);
    assert_eq!((known.retires("12"), known.retires("13")), (false, true));
}

#[test]
fn what_else_hinders_is_said_with_it() {
    let mut seen = but(|seen| tell(seen, Fact::Retiring(retiring("12", at(0)))));
    (seen.secret, seen.object.suspended) = (None, true);
    let mut world = World::of(seen).on("revoke 12", Answer::Denied(refusal()));
    let end = world.pass();
    let End::Failed(said) = end else { panic!("{end:?}") };
    assert_eq!(said.reason, Reason::Suspended);
    assert!(said.message.contains("Besides, the token tw-12"), "{}", said.message);
}

#[test]
fn a_token_is_revoked_at_once_after_a_loss_though_the_registry_is_down() {
    let mut seen = at_rest();
    seen.secret = Some(empty_secret());
    let down = crate::domain::effect::Verdict::Unknown("down".into());
    let mut world = World::of(seen).saying(down);
    world.pass();
    assert_eq!(count(&world.asked, "revoke 17"), 1, "{:?}", world.asked);
    assert!(!recorded(&world.seen.object).ready);
}

#[test]
fn nothing_to_say_is_not_written() {
    assert_eq!(note(&at_rest(), Fact::Redated), None);
}
