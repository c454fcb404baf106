//! How many tokens a list lacks, and whether that is plausible.

use super::*;
use crate::domain::test_support::{RESPONSE_DEADLINE, at, row, tag, token_ref};

/// Lists these of a hundred tokens that were requested at the start.
fn listing(ids: std::ops::Range<usize>) -> Inventory {
    let mut inventory = Inventory::new(at(1000), "k8s".into(), tag());
    ids.for_each(|id| inventory.add(row(&id.to_string(), "prod")));
    inventory
}

fn audited_token(id: usize) -> AuditedToken {
    AuditedToken {
        uid: format!("uid-{id}"),
        namespace: "team-a".into(),
        secret: "pull".into(),
        tokens: vec![token_ref(&id.to_string()), token_ref("an-old-one")],
        requested_at: Some(at(0)),
        portal_user: Some("k8s".into()),
    }
}

/// This many of a hundred tokens are listed.
fn of_hundred(listed: usize) -> MissingTokens {
    let owners: Vec<_> = (0..100).map(audited_token).collect();
    MissingTokens::count(&listing(0..listed), &owners, RESPONSE_DEADLINE, 10)
}

#[test]
fn a_tenth_may_be_missing_at_once_and_no_more() {
    assert_eq!(
        of_hundred(100),
        MissingTokens { missing: 0, expected: 100, plausible: true, only_implausible_namespace: None }
    );
    assert_eq!(
        of_hundred(90),
        MissingTokens { missing: 10, expected: 100, plausible: true, only_implausible_namespace: None }
    );
    assert_eq!(
        of_hundred(89),
        MissingTokens { missing: 11, expected: 100, plausible: false, only_implausible_namespace: None }
    );
    assert_eq!(
        of_hundred(0),
        MissingTokens { missing: 100, expected: 100, plausible: false, only_implausible_namespace: None }
    );
}

#[test]
fn a_few_are_always_plausible() {
    let count =
        |owners: usize| MissingTokens::count(&listing(0..0), (0..owners).map(audited_token), RESPONSE_DEADLINE, 10);
    assert_eq!(count(4), MissingTokens { missing: 4, expected: 4, plausible: true, only_implausible_namespace: None });
    assert_eq!(count(5), MissingTokens { missing: 5, expected: 5, plausible: false, only_implausible_namespace: None });
    assert_eq!(count(0), MissingTokens { missing: 0, expected: 0, plausible: true, only_implausible_namespace: None });
}

#[test]
fn tokens_missing_in_one_namespace_are_implausible_there_alone() {
    let mut owners: Vec<_> = (0..20).map(audited_token).collect();
    owners.iter_mut().take(14).for_each(|owner| owner.namespace = "team-b".into());
    // One token of team-a is missing, seven of team-b.
    let vanished = MissingTokens::count(&listing(7..19), &owners, RESPONSE_DEADLINE, 10);
    assert_eq!((vanished.missing, vanished.expected, vanished.plausible), (8, 20, false));
    assert!(vanished.is_plausible_in("team-a") && !vanished.is_plausible_in("team-b"));
    // Both lack many tokens: a role was changed.
    let vanished = MissingTokens::count(&listing(7..14), &owners, RESPONSE_DEADLINE, 10);
    assert!(!vanished.is_plausible_in("team-a") && !vanished.is_plausible_in("team-b"));
}

#[test]
fn the_plausible_share_is_configurable() {
    let owners: Vec<_> = (0..100).map(audited_token).collect();
    let believed = |percent| MissingTokens::count(&listing(0..50), &owners, RESPONSE_DEADLINE, percent).plausible;
    assert_eq!((believed(49), believed(50), believed(0)), (false, true, false));
}

#[test]
fn a_list_need_not_show_what_another_user_requested() {
    let mut owners: Vec<_> = (0..100).map(audited_token).collect();
    owners.iter_mut().take(60).for_each(|owner| owner.portal_user = Some("another".into()));
    assert_eq!(
        MissingTokens::count(&listing(60..100), &owners, RESPONSE_DEADLINE, 10),
        MissingTokens { missing: 0, expected: 40, plausible: true, only_implausible_namespace: None }
    );
    for owner in &mut owners {
        owner.portal_user = None;
    }
    assert_eq!(
        MissingTokens::count(&listing(60..100), &owners, RESPONSE_DEADLINE, 10).expected,
        100,
        "if the user is unknown, the list should contain it"
    );
}

#[test]
fn a_list_need_not_show_what_is_younger_than_its_lag() {
    let aged = |seconds: i64| {
        let young = AuditedToken { requested_at: Some(at(1000 - seconds)), ..audited_token(1) };
        MissingTokens::count(&listing(0..0), &[young], RESPONSE_DEADLINE, 10).expected
    };
    assert_eq!((aged(99), aged(100), aged(-50)), (0, 1, 0));
    let without = AuditedToken { requested_at: None, tokens: vec![token_ref("12")], ..audited_token(1) };
    assert_eq!(
        MissingTokens::count(&listing(0..0), &[without], RESPONSE_DEADLINE, 10).expected,
        0,
        "a retiring token does not count as missing"
    );
}

#[test]
fn a_missing_token_is_absent_only_where_that_is_plausible() {
    let list = listing(0..1);
    let digest = crate::domain::model::hash::hash64("prod");
    for believed in [false, true] {
        assert_eq!(upstream_state(&list, &token_ref("0"), believed), UpstreamState::Present(digest));
    }
    assert_eq!(upstream_state(&list, &token_ref("1"), true), UpstreamState::Absent(at(1000)));
    assert_eq!(upstream_state(&list, &token_ref("1"), false), UpstreamState::Unknown);
}
