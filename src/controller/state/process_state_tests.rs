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
    assert_eq!((state.objects().len(), state.recent.len()), (0, 1));
    state.settle(uid, at(101), at(200));
    assert_eq!((state.objects().len(), state.recent.len()), (0, 0));
}

#[test]
fn after_a_first_token_only_the_time_of_its_request_is_remembered() {
    let (state, mut observed) = (ProcessState::default(), at_rest());
    let uid = observed.object.uid.clone();
    observed.object.status = None;
    assert_eq!(state.reservation_age(&uid, Some("a.instance")), Duration::ZERO);
    observed.request_history.record_sent(at(100), "inputs".to_owned());
    observed.request_history.record_stored();
    state.record_pass(&observed);
    assert_eq!(state.reservation_age(&uid, None), Duration::ZERO, "the Secret stores the token");
    state.prune(&uid);
    assert_eq!((state.objects().len(), state.recent.len()), (0, 1));
    assert_eq!(state.requests(&observed.object, at(200)).count(), 1, "also without a status");
    state.settle(&uid, at(300), at(300));
    assert_eq!(state.requests(&observed.object, at(300)).count(), 1, "the token may be lost yet");
    state.settle(&uid, at(2000), at(2000));
    assert_eq!((state.objects().len(), state.recent.len()), (0, 0));
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
