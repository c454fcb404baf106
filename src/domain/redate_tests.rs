use super::*;
use crate::domain::cause::Cause;
use crate::domain::decide::{Action, decide};
use crate::domain::observed::Observed;
use crate::domain::pass::End;
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;
use crate::domain::testing::{World, asked, at, at_rest, every, fault, going, named, retiring, tell, token};
use std::time::Duration;

const TEN_YEARS: i64 = 10 * 365 * 24 * 3600;

/// At rest, and rotated while the clock was ten years ahead.
fn rotated_ahead() -> Observed {
    let mut seen = at_rest();
    seen.object.rotation = Some(every(24, 15));
    seen.object.asked = asked(&[("rotate", "1")]);
    seen.now = at(TEN_YEARS);
    let mut world = World::of(seen);
    assert!(matches!(world.pass(), End::RestFor(_)), "{:?}", world.asked);
    let known = recorded(&world.seen.object);
    assert_eq!((known.token.expect("a token").id.as_str(), known.retiring.len()), ("18", 1));
    world.seen
}

#[test]
fn a_clock_that_jumped_and_came_back_holds_nothing_up_for_years() {
    let mut seen = rotated_ahead();
    seen.now = at(7200);
    let mut world = World::of(seen);
    let end = world.pass();
    let known = recorded(&world.seen.object);
    assert_eq!(known.token.as_ref().expect("a token").request_time.0, at(7200));
    assert_eq!(known.retiring[0].revocation_time.0, at(7200 + 900), "the overlap begins anew");
    assert!(known.next_rotation.expect("a time") <= at(7200 + 24 * 3600));
    assert_eq!(end, End::RestFor(Duration::from_mins(15)), "{:?}", world.asked);
    let writes = world.statuses().count();
    assert_eq!(
        (world.pass(), world.statuses().count()),
        (End::RestFor(Duration::from_mins(15)), writes),
        "and it rests"
    );
    world.seen.now = at(7200 + 900);
    world.pass();
    assert_eq!(recorded(&world.seen.object).retiring, []);
    world.seen.now = at(7200 + 900 + 25 * 3600);
    assert_eq!(decide(&world.seen), Action::Attempt(crate::domain::testing::errand(Cause::Rotation)));
}

#[test]
fn a_deletion_waits_for_a_list_no_longer_than_an_answer_takes() {
    let mut seen = going(rotated_ahead());
    seen.now = at(7200);
    let mut world = World::of(seen).listing(&[]).saying(crate::domain::effect::Verdict::Refused("no".into()));
    assert!(matches!(world.pass(), End::After(left) if left < Duration::from_mins(2)), "{:?}", world.asked);
    world.seen.now = at(7200 + 101);
    assert_eq!(world.pass(), End::Rest);
    assert!(!world.seen.object.finalizer);
}

#[test]
fn a_minute_more_or_less_between_two_operators_is_nothing() {
    let mut seen = at_rest();
    seen.now = at(-59);
    assert_eq!(decide(&seen), Action::Rest);
    seen.now = at(-61);
    assert_eq!(decide(&seen), Action::Redate);
}

#[test]
fn what_was_revoked_by_somebody_stays_so_and_other_ends_of_overlaps_stay_where_they_are() {
    let mut seen = at_rest();
    seen.now = at(TEN_YEARS);
    let fault = fault(crate::api::Reason::RevokedUpstream);
    tell(&mut seen, Fact::RevokedUpstream { fault, again: false });
    assert!(recorded(&seen.object).revoked_upstream);
    seen.now = at(3600);
    tell(&mut seen, Fact::Redated);
    let known = recorded(&seen.object);
    assert_eq!((known.revoked_upstream, known.upstream_revocation), (true, Some((at(3600), false))));
    let mut both = crate::domain::testing::at_rest().object.status.expect("a status");
    both.token = Some(crate::api::RecordedToken { request_time: Time(at(TEN_YEARS)), ..token("17") });
    both.upstream_revocation = Some(crate::api::UpstreamRevocation { time: Time(at(TEN_YEARS + 9)), again: false });
    both.retiring = vec![retiring("12", at(0)), retiring("13", at(TEN_YEARS + 60))];
    redate(&mut both, at(3600));
    assert!(both.upstream_revocation.expect("one").time.0 > both.token.expect("one").request_time.0);
    let due: Vec<_> = both.retiring.iter().map(|one| one.revocation_time.0).collect();
    assert_eq!(due, [at(0), at(3660)]);
    let mut plain = at_rest();
    tell(&mut plain, Fact::Retiring(retiring(&named("12").id, at(99_999))));
    let before = plain.object.status.clone();
    tell(&mut plain, Fact::Redated);
    assert_eq!(plain.object.status, before);
}
