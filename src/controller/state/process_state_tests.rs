use super::*;
use crate::api::RECONCILE_ANNOTATION;
use crate::domain::test_support::{at, at_rest};

fn annotated(value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(RECONCILE_ANNOTATION.to_owned(), value.to_owned())])
}

#[test]
fn nothing_is_remembered_of_an_object_at_rest() {
    let (state, none, observed) = (ProcessState::default(), BTreeMap::new(), at_rest());
    let uid = observed.object.uid.as_str();
    assert!(!state.resync_requested(uid, &none, false));
    assert_eq!(state.reservation_age(uid, None), Duration::ZERO);
    state.record_pass(&observed);
    state.mark_modified(uid, at(100));
    state.prune(uid);
    assert!(state.modified_since(uid, at(90), at(200)), "an audit may still show the state before");
    state.settle(uid, at(90), at(200));
    assert_eq!((state.objects().len(), state.modified_at().len()), (0, 1));
    state.settle(uid, at(101), at(200));
    assert_eq!((state.objects().len(), state.modified_at().len()), (0, 0));
}

#[test]
fn each_value_of_the_reconcile_annotation_is_handled_once() {
    let (state, none) = (ProcessState::default(), BTreeMap::new());
    assert!(!state.resync_requested("at start", &annotated("1"), true), "it was there before");
    assert!(!state.resync_requested("at start", &annotated("1"), false));
    assert!(state.resync_requested("at start", &annotated("2"), false));
    assert!(state.resync_requested("o1", &annotated("1"), false), "added later");
    assert!(!state.resync_requested("o1", &annotated("1"), false));
    assert!(!state.resync_requested("o1", &none, false));
    assert!(state.resync_requested("o1", &annotated("1"), false), "removed and added again");
}
