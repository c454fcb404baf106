use super::*;
use crate::domain::testing::{LONGEST, at};

/// Held by us, free since the beginning, and never audited; so many seconds later.
fn free(seconds: i64) -> Releasing {
    Releasing { in_use: false, held: true, free_since: at(0), audited: None, longest_answer: LONGEST, now: at(seconds) }
}

#[test]
fn an_issuer_in_use_stays_whatever_was_audited() {
    assert_eq!(release(&Releasing { in_use: true, audited: Some(at(500)), ..free(999) }), Release::InUse);
    assert_eq!(release(&Releasing { in_use: true, held: false, ..free(999) }), Release::InUse);
}

#[test]
fn an_issuer_that_was_never_held_goes_at_once() {
    assert_eq!(release(&Releasing { held: false, ..free(0) }), Release::Now);
}

#[test]
fn a_last_audit_outlives_the_latest_answer() {
    assert_eq!(release(&free(0)), Release::Wait(LONGEST));
    assert_eq!(release(&free(40)), Release::Wait(Duration::from_mins(1)));
    assert_eq!(release(&free(100)), Release::Audit);
    let audited = |begun| release(&Releasing { audited: Some(at(begun)), ..free(101) });
    assert_eq!(audited(100), Release::Now);
    assert_eq!(audited(99), Release::Audit, "begun before the latest answer could come");
    assert_eq!(audited(-500), Release::Audit, "nor does one count from before it was free");
}

#[test]
fn a_clock_that_jumps_back_releases_nothing_early() {
    assert_eq!(release(&free(-1000)), Release::Wait(LONGEST));
}
