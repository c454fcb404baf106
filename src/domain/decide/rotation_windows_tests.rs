//! Rotations that wait for a window.

use crate::api::{ConditionType, Reason};
use crate::domain::decide::{Action, decide};
use crate::domain::model::conditions::find;
use crate::domain::model::request_cause::{Cause, RequestCause};
use crate::domain::model::rotation_windows::{RotationWindow, RotationWindows};
use crate::domain::observed::Observed;
use crate::domain::status::StatusEvent;
use crate::domain::test_support::{annotations, apply, at_rest_with, retiring, rotation_every};
use jiff::{SignedDuration, Timestamp};

fn time(text: &str) -> Timestamp {
    text.parse().expect(text)
}

/// An object whose token was requested on March 17, 2030, at 17:46 and is rotated every day, with this window.
fn with_window(schedule: &str) -> Observed {
    let window = RotationWindow::parse(schedule, "UTC", SignedDuration::from_hours(4));
    at_rest_with(|observed| {
        observed.object.rotation = Some(rotation_every(24, 5));
        observed.object.rotation_windows = RotationWindows::new([window]);
        apply(observed, StatusEvent::DescriptionSynced);
    })
}

/// Open from 02:00 to 06:00.
fn nights() -> Observed {
    with_window("0 2 * * *")
}

fn at(observed: &Observed, now: &str) -> Observed {
    Observed { now: time(now), ..observed.clone() }
}

fn is_rotation(action: &Action) -> bool {
    matches!(action, Action::RequestToken(RequestCause { cause: Cause::Rotation, .. }))
}

fn next_rotation(observed: &Observed) -> Timestamp {
    observed.object.status.as_ref().and_then(|status| status.next_rotation_time.as_ref()).expect("recorded").0
}

#[test]
fn a_rotation_that_is_due_waits_for_its_window() {
    let next = next_rotation(&nights());
    assert!(next >= time("2030-03-19T02:00:00Z") && next < time("2030-03-19T04:00:00Z"), "{next}");
    let due = at(&nights(), "2030-03-18T18:00:00Z");
    let Action::IdleFor(left) = decide(&due) else { panic!("{:?}", decide(&due)) };
    assert_eq!(due.now.checked_add(left).ok(), Some(next), "nothing is done before that");
    assert!(is_rotation(&decide(&at(&nights(), "2030-03-19T04:00:00Z"))));
}

#[test]
fn a_rotation_that_missed_its_window_is_recorded_for_the_next_one() {
    let mut late = at(&nights(), "2030-03-19T06:00:00Z");
    assert_eq!(decide(&late), Action::RescheduleRotation);
    apply(&mut late, StatusEvent::WindowMissed);
    let next = next_rotation(&late);
    assert!(next >= time("2030-03-20T02:00:00Z") && next < time("2030-03-20T04:00:00Z"), "{next}");
    assert!(matches!(decide(&late), Action::IdleFor(_)), "it is recorded once");
}

#[test]
fn a_status_does_not_change_while_a_rotation_waits_in_its_window() {
    let mut waiting = at(&nights(), "2030-03-19T04:30:00Z");
    apply(&mut waiting, StatusEvent::DescriptionSynced);
    let recorded = next_rotation(&waiting);
    waiting.now = time("2030-03-19T05:30:00Z");
    apply(&mut waiting, StatusEvent::DescriptionSynced);
    assert_eq!(next_rotation(&waiting), recorded);
    assert!(is_rotation(&decide(&waiting)));
}

#[test]
fn a_rotation_that_waits_for_an_overlap_may_miss_its_window() {
    let mut overlapping = at(&nights(), "2030-03-19T05:00:00Z");
    apply(&mut overlapping, StatusEvent::TokenRetiring(retiring("12", time("2030-03-19T07:00:00Z"))));
    assert!(matches!(decide(&overlapping), Action::IdleFor(_)), "{:?}", decide(&overlapping));
    overlapping.now = time("2030-03-19T06:30:00Z");
    assert_eq!(decide(&overlapping), Action::RescheduleRotation);
}

#[test]
fn annotations_do_not_wait_for_a_window() {
    for (key, cause) in [("rotate", Cause::Rotate), ("replace", Cause::Replace)] {
        let mut requested = nights();
        requested.object.requested_annotations = annotations(&[(key, "1")]);
        let action = decide(&requested);
        assert!(matches!(&action, Action::RequestToken(request) if request.cause == cause), "{action:?}");
    }
}

#[test]
fn a_suspended_object_writes_nothing_when_its_window_ends() {
    let mut suspended = nights();
    suspended.object.suspended = true;
    apply(&mut suspended, StatusEvent::DescriptionSynced);
    assert_eq!(decide(&at(&suspended, "2030-03-19T06:00:00Z")), Action::Idle);
}

#[test]
fn a_window_that_never_opens_is_ignored_and_said() {
    let never = with_window("0 0 30 2 *");
    assert!(is_rotation(&decide(&at(&never, "2030-03-18T18:00:00Z"))));
    let reason = |observed: &Observed| {
        let status = observed.object.status.as_ref().expect("a status");
        find(&status.conditions, ConditionType::RotationWindowsValid).map(|one| one.reason.clone())
    };
    assert_eq!(reason(&never), Some(Reason::RotationWindowIgnored.to_string()));
    assert_eq!(reason(&nights()), Some(Reason::RotationWindowsApply.to_string()));
    let mut without = nights();
    without.object.rotation_windows = RotationWindows::default();
    apply(&mut without, StatusEvent::DescriptionSynced);
    assert_eq!(reason(&without), None);
}
