//! What is planned for one namespace, and what the status reports.

use super::*;
use crate::api::{ConditionType, ROTATE_ANNOTATION};
use crate::api::{RegistryTokenSpec, TokenTemplate, TokenTemplateMetadata};
use crate::domain::cluster_token::render::{fingerprint_of, label_value};
use crate::domain::cluster_token::status::{Report, next_status};
use crate::domain::model::conditions::is_true;
use serde_json::json;

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

pub(super) fn parent(description: &str) -> Parent {
    let spec: RegistryTokenSpec = serde_json::from_value(json!({"description": description})).expect("a spec");
    let labels = BTreeMap::from([("team".to_owned(), "$(NAMESPACE)".to_owned())]);
    let metadata = Some(TokenTemplateMetadata { labels, annotations: BTreeMap::new() });
    let content = TokenTemplate { metadata, spec };
    let template =
        Template { parent: "pull".to_owned(), token_name: "pull".to_owned(), content, requests: BTreeMap::new() };
    Parent { template, grace: Duration::from_secs(100), suspended: false }
}

const MATCHES: NamespaceView = NamespaceView { matches: true, is_terminating: false };
const OTHER: NamespaceView = NamespaceView { matches: false, is_terminating: false };

/// The token as it is after a create.
pub(super) fn token(parent: &Parent, namespace: &str) -> TokenView {
    let desired = parent.template.render(namespace).expect("rendered");
    TokenView {
        uid: "u1".to_owned(),
        ownership: Ownership::Owned,
        is_deleting: false,
        fingerprint: desired.fingerprint,
        copied_requests: desired.requests.map(|requests| requests.hash),
        unmatched_since: None,
        state: TokenState::Ready,
    }
}

fn plan_one(parent: &Parent, view: NamespaceView, token: Option<TokenView>, memory: &mut Memory, now: i64) -> Plan {
    let namespaces = BTreeMap::from([("a", view)]);
    plan(parent, &namespaces, &token.into_iter().map(|token| ("a", token)).collect(), memory, at(now))
}

fn action(plan: &Plan) -> Option<&Action> {
    assert!(plan.writes.len() <= 1);
    plan.writes.first().map(|write| &write.action)
}

#[test]
fn the_placeholder_in_the_projects_of_a_scope_is_the_namespace() {
    let mut parent = parent("prod");
    parent.template.content.spec.scope =
        serde_json::from_value(json!({"projects": ["$(NAMESPACE)", "base"]})).expect("a scope");
    let desired = parent.template.render("team-a").expect("rendered");
    assert_eq!(desired.spec.scope.map(|scope| scope.projects), Some(vec!["team-a".to_owned(), "base".to_owned()]));
}

#[test]
fn a_matching_namespace_gets_a_token_once() {
    let (parent, mut memory) = (parent("prod, $(NAMESPACE)"), Memory::default());
    let made = plan_one(&parent, MATCHES, None, &mut memory, 0);
    let Some(Action::Create(desired)) = action(&made) else { panic!("{made:?}") };
    assert_eq!(desired.spec.description, "prod, a");
    assert_eq!(desired.labels["team"], "a");
    assert_eq!(made.counts, Counts { waiting: 1, ..Counts::default() });
    let at_rest = plan_one(&parent, MATCHES, Some(token(&parent, "a")), &mut memory, 1);
    assert_eq!(at_rest, Plan { counts: Counts { ready: 1, ..Counts::default() }, ..Plan::default() });
    for view in [OTHER, NamespaceView { matches: true, is_terminating: true }] {
        assert_eq!(plan_one(&parent, view, None, &mut memory, 0), Plan::default());
    }
    assert_eq!(memory.len(), 0, "nothing is kept of namespaces at rest");
}

#[test]
fn an_unmatched_namespace_keeps_its_token_for_the_grace_period() {
    let (parent, mut memory) = (parent("d"), Memory::default());
    let mut token = token(&parent, "a");
    let first = plan_one(&parent, OTHER, Some(token.clone()), &mut memory, 1000);
    assert_eq!(action(&first), Some(&Action::MarkUnmatched(at(1000))));
    assert_eq!((first.counts.leaving, first.next), (1, Some(at(1100))));
    token.unmatched_since = Some(at(1000));
    assert_eq!(action(&plan_one(&parent, OTHER, Some(token.clone()), &mut memory, 1099)), None);
    // It matches again: the token stays.
    let again = plan_one(&parent, MATCHES, Some(token.clone()), &mut memory.clone(), 1099);
    assert_eq!((action(&again), again.counts.ready), (Some(&Action::ClearUnmatched), 1));
    // A tenant who removes the annotation, or moves it into the future, gains nothing.
    for changed in [None, Some(at(5000)), Some(at(10))] {
        let tampered = TokenView { unmatched_since: changed, ..token.clone() };
        let plan = plan_one(&parent, OTHER, Some(tampered), &mut memory, 1050);
        assert_eq!(action(&plan), Some(&Action::MarkUnmatched(at(1000))), "{changed:?}");
    }
    assert_eq!(action(&plan_one(&parent, OTHER, Some(token.clone()), &mut memory, 1100)), Some(&Action::Delete));
    // After a restart the annotation counts, one in the future as now.
    let restarted = plan_one(&parent, OTHER, Some(token.clone()), &mut Memory::default(), 1100);
    assert_eq!(action(&restarted), Some(&Action::Delete));
    token.unmatched_since = Some(at(5000));
    let restarted = plan_one(&parent, OTHER, Some(token.clone()), &mut Memory::default(), 1100);
    assert_eq!(action(&restarted), Some(&Action::MarkUnmatched(at(1100))));
    token.is_deleting = true;
    let deleting = plan_one(&parent, OTHER, Some(token), &mut memory, 1200);
    assert_eq!((action(&deleting), deleting.counts.leaving), (None, 1));
}

#[test]
fn a_token_of_someone_else_is_left_alone_and_named() {
    let (parent, mut memory) = (parent("d"), Memory::default());
    let foreign = TokenView { ownership: Ownership::Foreign, fingerprint: 1, ..token(&parent, "a") };
    let plan = plan_one(&parent, MATCHES, Some(foreign.clone()), &mut memory, 0);
    assert_eq!((plan.writes.len(), plan.counts.failing), (0, 1));
    assert_eq!(plan.failures[0].1.as_ref().map(|problem| problem.reason), Some(Reason::TokenNotOwned));
    assert_eq!(plan_one(&parent, OTHER, Some(foreign), &mut memory, 0), Plan::default());
    let restored = TokenView { ownership: Ownership::Adoptable, ..token(&parent, "a") };
    assert!(matches!(action(&plan_one(&parent, MATCHES, Some(restored), &mut memory, 0)), Some(Action::Update(_))));
}

#[test]
fn drift_is_reverted_and_a_request_is_copied_once() {
    let (mut parent, mut memory) = (parent("d"), Memory::default());
    let drifted = TokenView { fingerprint: 1, ..token(&parent, "a") };
    assert!(matches!(
        action(&plan_one(&parent, MATCHES, Some(drifted.clone()), &mut memory, 0)),
        Some(Action::Update(_))
    ));
    let deleting = TokenView { is_deleting: true, ..drifted };
    assert_eq!(action(&plan_one(&parent, MATCHES, Some(deleting), &mut memory, 0)), None);
    let before = token(&parent, "a");
    parent.template.requests.insert(ROTATE_ANNOTATION.to_owned(), "1".to_owned());
    let plan = plan_one(&parent, MATCHES, Some(before.clone()), &mut memory, 0);
    let Some(Action::Update(desired)) = action(&plan) else { panic!("{plan:?}") };
    assert_eq!(desired.requests.as_ref().map(|requests| requests.annotations[ROTATE_ANNOTATION].as_str()), Some("1"));
    let after = token(&parent, "a");
    assert_eq!(action(&plan_one(&parent, MATCHES, Some(after.clone()), &mut memory, 0)), None);
    // A compromised token is replaced in namespaces that leave, too.
    let marked = TokenView { unmatched_since: Some(at(0)), ..before };
    assert!(matches!(action(&plan_one(&parent, OTHER, Some(marked), &mut memory, 1)), Some(Action::Update(_))));
    parent.template.requests.clear();
    assert_eq!(action(&plan_one(&parent, MATCHES, Some(after), &mut Memory::default(), 0)), None);
}

#[test]
fn a_long_description_fails_in_its_namespace_only() {
    let parent = parent(&format!("{} $(NAMESPACE)", "x".repeat(196)));
    let namespaces = BTreeMap::from([("abc", MATCHES), ("abcd", MATCHES)]);
    let plan = plan(&parent, &namespaces, &BTreeMap::new(), &mut Memory::default(), at(0));
    assert_eq!((plan.writes.len(), plan.writes[0].namespace.as_str()), (1, "abc"));
    let (namespace, problem) = &plan.failures[0];
    let reason = problem.as_ref().map(|problem| problem.reason);
    assert_eq!((namespace.as_str(), reason), ("abcd", Some(Reason::DescriptionTooLong)));
}

#[test]
fn a_rejected_write_is_repeated_later_or_when_the_template_changes() {
    let (mut parent, mut memory) = (parent("d"), Memory::default());
    let plan = plan_one(&parent, MATCHES, None, &mut memory, 0);
    let problem = Problem { reason: Reason::TokenRejected, message: "quota".to_owned(), terminal: true };
    memory.record_failure("a", plan.writes[0].fingerprint, problem.clone(), at(50));
    let waits = plan_one(&parent, MATCHES, None, &mut memory, 49);
    assert_eq!((action(&waits), waits.next, waits.counts.failing), (None, Some(at(50)), 1));
    assert_eq!(waits.failures, [("a".to_owned(), Some(problem))]);
    let again = plan_one(&parent, MATCHES, None, &mut memory, 50);
    assert!(action(&again).is_some() && again.counts.failing == 1, "it fails until the write succeeds");
    parent.template.content.spec.description = "e".to_owned();
    let changed = plan_one(&parent, MATCHES, None, &mut memory, 1);
    assert!(action(&changed).is_some() && changed.counts.waiting == 1);
}

#[test]
fn nothing_is_written_while_suspended() {
    let mut parent = parent("d");
    parent.suspended = true;
    let namespaces = BTreeMap::from([("a", MATCHES), ("b", MATCHES), ("c", OTHER)]);
    let old = TokenView { unmatched_since: Some(at(0)), ..token(&parent, "c") };
    let tokens = BTreeMap::from([("b", TokenView { fingerprint: 1, ..token(&parent, "b") }), ("c", old)]);
    let plan = plan(&parent, &namespaces, &tokens, &mut Memory::default(), at(10_000));
    assert_eq!((plan.writes.len(), plan.next), (0, None));
    assert_eq!(plan.counts, Counts { ready: 1, waiting: 1, failing: 0, leaving: 1 });
}

#[test]
fn a_plan_is_bounded_and_continues() {
    let parent = parent("d");
    let names: Vec<String> = (0..1000).map(|number| format!("ns-{number:04}")).collect();
    let namespaces = names.iter().map(|name| (name.as_str(), MATCHES)).collect();
    let plan = plan(&parent, &namespaces, &BTreeMap::new(), &mut Memory::default(), at(0));
    assert_eq!((plan.writes.len(), plan.has_more, plan.counts.waiting), (MAX_ACTIONS, true, 1000));
}

#[test]
fn only_what_the_template_sets_is_compared() {
    let parent = parent("d");
    let desired = parent.template.render("a").expect("rendered");
    let mut labels = desired.labels.clone();
    labels.insert("tenant".to_owned(), "own".to_owned());
    let annotations = BTreeMap::from([("note".to_owned(), "own".to_owned())]);
    let of = |labels: &BTreeMap<String, String>, keys: &str, spec: &RegistryTokenSpec| {
        fingerprint_of(labels, &annotations, keys, spec)
    };
    assert_eq!(of(&labels, &desired.keys, &desired.spec), desired.fingerprint);
    assert_ne!(of(&labels, "", &desired.spec), desired.fingerprint, "the record of the keys was removed");
    labels.insert("team".to_owned(), "b".to_owned());
    assert_ne!(of(&labels, &desired.keys, &desired.spec), desired.fingerprint);
    let spec = RegistryTokenSpec { suspend: true, ..desired.spec.clone() };
    assert_ne!(of(&desired.labels, &desired.keys, &spec), desired.fingerprint);
}

#[test]
fn the_label_of_a_long_name_is_a_hash() {
    assert_eq!(label_value(&"a".repeat(63)), "a".repeat(63));
    let long = label_value(&"a".repeat(64));
    assert!(long.len() <= 63 && long.starts_with("h_") && long != label_value(&"a".repeat(65)), "{long}");
}

#[test]
fn deletion_deletes_what_it_owns_and_ends_when_nothing_is_left() {
    let parent = parent("d");
    let [owned, deleting, foreign] = [
        token(&parent, "a"),
        TokenView { is_deleting: true, ..token(&parent, "b") },
        TokenView { ownership: Ownership::Foreign, ..token(&parent, "c") },
    ];
    let tokens = BTreeMap::from([("a", owned.clone()), ("b", deleting), ("c", foreign.clone())]);
    assert_eq!(plan_deletion(&tokens, false), DeletionPlan { delete: vec!["a".to_owned()], left: 2 });
    assert_eq!(plan_deletion(&tokens, true), DeletionPlan { delete: vec![], left: 2 });
    let orphaned = TokenView { ownership: Ownership::Adoptable, ..owned };
    let tokens = BTreeMap::from([("a", orphaned), ("c", foreign)]);
    assert_eq!(plan_deletion(&tokens, false), DeletionPlan { delete: vec![], left: 0 });
}

#[test]
fn the_conditions_say_what_is_pending_failing_or_suspended() {
    let report = |counts, suspended, deleting| Report {
        generation: 3,
        token_name: "pull".to_owned(),
        counts,
        failures: vec![],
        suspended,
        deleting,
    };
    let of = |report: &Report| {
        let status = next_status(None, report, at(1));
        let kinds =
            [ConditionType::Ready, ConditionType::Reconciling, ConditionType::Stalled, ConditionType::Suspended];
        assert_eq!(next_status(Some(&status), report, at(2)), status, "no change at rest");
        kinds.map(|kind| is_true(&status.conditions, kind))
    };
    let counts = |ready, waiting, failing| Counts { ready, waiting, failing, leaving: 0 };
    assert_eq!(of(&report(counts(0, 0, 0), false, None)), [true, false, false, false]);
    assert_eq!(of(&report(counts(1, 1, 1), false, None)), [false, true, false, false]);
    assert_eq!(of(&report(counts(1, 0, 1), false, None)), [false, false, true, false]);
    assert_eq!(of(&report(counts(1, 1, 0), true, None)), [false, false, false, true]);
    assert_eq!(of(&report(counts(1, 0, 0), true, None)), [true, false, false, true]);
    assert_eq!(of(&report(counts(1, 0, 0), false, Some(1))), [false, true, false, false]);
}
