//! Failures while an audit runs.

use super::*;

#[test]
fn a_failure_concludes_nothing_and_revokes_no_more() {
    let truth = Fixture::of(&[marked("17", 1), marked("18", 2)], &[], &[]);
    for failing in ["scan", "owners", "secrets"] {
        let (asked, found) = truth.audit(Some(failing));
        assert_eq!(found, Err(problem(Reason::TimedOut)), "{failing}");
        assert_eq!(asked.last().map(String::as_str), Some(failing));
    }
}

#[test]
fn one_that_cannot_be_revoked_blocks_neither_the_others_nor_the_report() {
    let truth = Fixture::of(&[marked("17", 1), marked("18", 2), marked("19", 3), row("1", "prod")], &[], &[]);
    for failing in ["row 18", "revoke 18"] {
        let (asked, found) = truth.audit_with(&[(failing, Reason::RequestRejected)]);
        let found = found.expect("it is concluded");
        assert_eq!((found.revoked, found.inventory.len()), (2, 4), "{asked:?}");
        assert_eq!(found.failed, Some(FailedRevocations { count: 1, fault: problem(Reason::RequestRejected) }));
    }
    let all =
        [("revoke 17", Reason::PortalError), ("row 18", Reason::AccessDenied), ("revoke 19", Reason::RequestRejected)];
    let found = truth.audit_with(&all).1.expect("it is concluded");
    assert_eq!((found.revoked, found.failed.expect("counted").count), (0, 3));
    assert_eq!(truth.audit_with(&[]).1.expect("well").failed, None);
}

#[test]
fn an_unavailable_portal_is_not_called_for_each_orphan() {
    let truth = Fixture::of(&[marked("17", 1), marked("18", 2), marked("19", 3)], &[], &[]);
    for failing in ["row 18", "revoke 18"] {
        for reason in [Reason::TimedOut, Reason::Unreachable, Reason::RateLimited, Reason::Unauthorized] {
            let (asked, found) = truth.audit_with(&[(failing, reason)]);
            assert_eq!(asked.last().map(String::as_str), Some(failing));
            let found = found.expect("it is concluded");
            assert_eq!(
                (found.revoked, found.failed),
                (1, Some(FailedRevocations { count: 2, fault: problem(reason) }))
            );
        }
    }
}

#[test]
fn a_response_to_another_request_revokes_nothing() {
    let answers = || {
        [
            AuditResponse::Objects(vec![]),
            AuditResponse::Secrets(vec![]),
            AuditResponse::Row(Some(marked("17", 1))),
            AuditResponse::Done,
        ]
    };
    for response in answers() {
        assert!(matches!(PortalAudit::begin().0.step(response).1, AuditStep::Done(Err(_))), "no list, nothing found");
    }
    let (audit, _) =
        PortalAudit::begin().0.step(AuditResponse::PortalList(inventory(&[marked("17", 1)]), Claims::default()));
    for response in [AuditResponse::Secrets(vec![]), AuditResponse::Row(Some(marked("17", 1))), AuditResponse::Done] {
        let AuditStep::Done(Ok(found)) = audit.clone().step(response).1 else { panic!("it ends") };
        assert_eq!(found.revoked, 0);
    }
}
