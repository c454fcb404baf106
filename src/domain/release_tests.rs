use super::*;
use crate::domain::testing::{LONGEST, at};

/// Held by us, free since the beginning, and never audited; so many seconds later.
fn free(seconds: i64) -> Releasing {
    Releasing {
        in_use: false,
        held: true,
        free_since: at(0),
        audited: None,
        list: List::Visible,
        longest_answer: LONGEST,
        now: at(seconds),
    }
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

#[test]
fn an_audit_from_before_it_was_free_counts_for_nothing_however_short_answers_are() {
    for seconds in [-500, -1] {
        let seen = Releasing { audited: Some(at(seconds)), longest_answer: Duration::ZERO, ..free(101) };
        assert_eq!(release(&seen), Release::Audit, "{seconds}");
    }
}

#[test]
fn an_issuer_whose_portal_cannot_be_asked_waits_for_it() {
    let unasked = |seen: Releasing| release(&Releasing { list: List::Unknown, ..seen });
    assert_eq!(unasked(free(40)), Release::Wait(Duration::from_mins(1)));
    for seconds in [100, 999_999] {
        assert_eq!(unasked(free(seconds)), Release::Blocked, "{seconds}");
    }
    let audited = |begun| unasked(Releasing { audited: Some(at(begun)), ..free(999) });
    assert_eq!((audited(-1), audited(99)), (Release::Blocked, Release::Blocked));
    assert_eq!(audited(100), Release::Now, "its last audit is done already");
    assert_eq!(unasked(Releasing { held: false, ..free(0) }), Release::Now, "it made no token");
}

#[test]
fn where_the_list_is_hidden_the_latest_answer_is_waited_for_and_no_audit() {
    let hidden = |seconds| release(&Releasing { list: List::Hidden, ..free(seconds) });
    assert_eq!((hidden(99), hidden(100)), (Release::Wait(Duration::from_secs(1)), Release::Now));
}
