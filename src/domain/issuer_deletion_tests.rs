use super::*;
use crate::domain::test_support::{RESPONSE_DEADLINE, at};

/// An issuer with the operator's finalizer, unused since second 0 and never audited, at this second.
fn unused(seconds: i64) -> DeletionInput {
    DeletionInput {
        in_use: false,
        has_finalizer: true,
        unused_since: at(0),
        audited_at: None,
        list: ListAccess::Visible,
        response_deadline: RESPONSE_DEADLINE,
        now: at(seconds),
    }
}

#[test]
fn an_issuer_in_use_is_kept_even_after_an_audit() {
    assert_eq!(
        decide_deletion(&DeletionInput { in_use: true, audited_at: Some(at(500)), ..unused(999) }),
        DeletionDecision::InUse
    );
    assert_eq!(
        decide_deletion(&DeletionInput { in_use: true, has_finalizer: false, ..unused(999) }),
        DeletionDecision::InUse
    );
}

#[test]
fn an_issuer_without_the_finalizer_is_removed_at_once() {
    assert_eq!(decide_deletion(&DeletionInput { has_finalizer: false, ..unused(0) }), DeletionDecision::Allowed);
}

#[test]
fn the_final_audit_starts_after_the_response_deadline() {
    assert_eq!(decide_deletion(&unused(0)), DeletionDecision::Wait(RESPONSE_DEADLINE));
    assert_eq!(decide_deletion(&unused(40)), DeletionDecision::Wait(Duration::from_mins(1)));
    assert_eq!(decide_deletion(&unused(100)), DeletionDecision::Audit);
    let audited = |started| decide_deletion(&DeletionInput { audited_at: Some(at(started)), ..unused(101) });
    assert_eq!(audited(100), DeletionDecision::Allowed);
    assert_eq!(audited(99), DeletionDecision::Audit, "started before the response deadline");
    assert_eq!(audited(-500), DeletionDecision::Audit, "an audit from before it was unused does not count");
}

#[test]
fn a_clock_that_jumps_back_allows_no_early_removal() {
    assert_eq!(decide_deletion(&unused(-1000)), DeletionDecision::Wait(RESPONSE_DEADLINE));
}

#[test]
fn an_audit_from_before_it_was_unused_does_not_count_even_without_a_response_deadline() {
    for seconds in [-500, -1] {
        let observed =
            DeletionInput { audited_at: Some(at(seconds)), response_deadline: Duration::ZERO, ..unused(101) };
        assert_eq!(decide_deletion(&observed), DeletionDecision::Audit, "{seconds}");
    }
}

#[test]
fn an_issuer_is_kept_while_its_portal_is_unavailable() {
    let unavailable =
        |observed: DeletionInput| decide_deletion(&DeletionInput { list: ListAccess::Unknown, ..observed });
    assert_eq!(unavailable(unused(40)), DeletionDecision::Wait(Duration::from_mins(1)));
    for seconds in [100, 999_999] {
        assert_eq!(unavailable(unused(seconds)), DeletionDecision::Blocked, "{seconds}");
    }
    let audited = |started| unavailable(DeletionInput { audited_at: Some(at(started)), ..unused(999) });
    assert_eq!((audited(-1), audited(99)), (DeletionDecision::Blocked, DeletionDecision::Blocked));
    assert_eq!(audited(100), DeletionDecision::Allowed, "its final audit has already completed");
    assert_eq!(
        unavailable(DeletionInput { has_finalizer: false, ..unused(0) }),
        DeletionDecision::Allowed,
        "it requested no token"
    );
}

#[test]
fn with_a_hidden_list_removal_waits_only_for_the_response_deadline() {
    let hidden = |seconds| decide_deletion(&DeletionInput { list: ListAccess::Hidden, ..unused(seconds) });
    assert_eq!((hidden(99), hidden(100)), (DeletionDecision::Wait(Duration::from_secs(1)), DeletionDecision::Allowed));
}
