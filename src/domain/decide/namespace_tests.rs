use super::*;
use crate::api::Reason;
use crate::domain::decide::decide;
use crate::domain::test_support::{new_object, now};

#[test]
fn an_object_without_a_token_reports_a_denied_namespace_and_needs_neither_finalizer_nor_slot() {
    let mut observed = new_object();
    observed.object.has_finalizer = false;
    observed.namespace_access = NamespaceAccess::NotAllowed { noticed: now(), grace: Duration::from_mins(1) };
    assert!(matches!(
        decide(&observed),
        Action::ReportFor(left, problem)
            if left == Duration::from_mins(1) && problem.reason == Reason::NamespaceNotAllowed && problem.terminal
    ));
}
