use super::{CHECKS, decision};
use crate::domain::test_support::at_rest;
use std::collections::BTreeSet;

#[test]
fn each_check_has_a_name_of_its_own_and_protection_comes_first() {
    let names: BTreeSet<&str> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), CHECKS.len());
    assert!(!names.contains("idle"), "it answers where no check does");
    let order: Vec<&str> = CHECKS.iter().take(3).map(|check| check.name).collect();
    assert_eq!(order, ["restore_protection", "clamp_timestamps", "finalize_if_deleting"]);
}

#[test]
fn a_decision_names_the_check_that_made_it() {
    let mut observed = at_rest();
    assert_eq!(decision(&observed).check, "idle");
    observed.object.deleting = true;
    assert_eq!(decision(&observed).check, "finalize_if_deleting");
    observed.object.deleting = false;
    observed.object.has_finalizer = false;
    assert_eq!(decision(&observed).check, "restore_protection");
}
