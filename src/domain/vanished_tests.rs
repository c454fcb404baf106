//! How many tokens a list lacks, and whether that is believed.

use super::*;
use crate::domain::testing::{LONGEST, at, named, row, tag};

/// Lists these of a hundred tokens that were requested at the beginning.
fn listing(ids: std::ops::Range<usize>) -> Inventory {
    let mut inventory = Inventory::new(at(1000), "k8s".into(), tag());
    ids.for_each(|id| inventory.add(row(&id.to_string(), "prod")));
    inventory
}

fn owner(id: usize) -> Owner {
    Owner {
        uid: format!("uid-{id}"),
        namespace: "team-a".into(),
        secret: "pull".into(),
        tokens: vec![named(&id.to_string()), named("an-old-one")],
        requested: Some(at(0)),
        user: Some("k8s".into()),
    }
}

/// So many of a hundred are listed.
fn of_hundred(listed: usize) -> Vanished {
    let owners: Vec<_> = (0..100).map(owner).collect();
    Vanished::count(&listing(0..listed), &owners, LONGEST, 10)
}

#[test]
fn a_tenth_may_be_gone_at_once_and_no_more() {
    assert_eq!(of_hundred(100), Vanished { missing: 0, of: 100, believed: true, only_in: None });
    assert_eq!(of_hundred(90), Vanished { missing: 10, of: 100, believed: true, only_in: None });
    assert_eq!(of_hundred(89), Vanished { missing: 11, of: 100, believed: false, only_in: None });
    assert_eq!(of_hundred(0), Vanished { missing: 100, of: 100, believed: false, only_in: None });
}

#[test]
fn a_few_are_always_believed() {
    let count =
        |owners: usize| Vanished::count(&listing(0..0), &(0..owners).map(owner).collect::<Vec<_>>(), LONGEST, 10);
    assert_eq!(count(4), Vanished { missing: 4, of: 4, believed: true, only_in: None });
    assert_eq!(count(5), Vanished { missing: 5, of: 5, believed: false, only_in: None });
    assert_eq!(count(0), Vanished { missing: 0, of: 0, believed: true, only_in: None });
}

#[test]
fn what_one_namespace_lacks_is_disbelieved_there_alone() {
    let mut owners: Vec<_> = (0..20).map(owner).collect();
    owners.iter_mut().take(14).for_each(|owner| owner.namespace = "team-b".into());
    // Of team-a one token is gone, of team-b seven.
    let vanished = Vanished::count(&listing(7..19), &owners, LONGEST, 10);
    assert_eq!((vanished.missing, vanished.of, vanished.believed), (8, 20, false));
    assert!(vanished.is_believed_in("team-a") && !vanished.is_believed_in("team-b"));
    // Both lack many: a role was changed.
    let vanished = Vanished::count(&listing(7..14), &owners, LONGEST, 10);
    assert!(!vanished.is_believed_in("team-a") && !vanished.is_believed_in("team-b"));
}

#[test]
fn how_many_are_believed_can_be_said() {
    let owners: Vec<_> = (0..100).map(owner).collect();
    let believed = |percent| Vanished::count(&listing(0..50), &owners, LONGEST, percent).believed;
    assert_eq!((believed(49), believed(50), believed(0)), (false, true, false));
}

#[test]
fn a_list_need_not_show_what_another_user_requested() {
    let mut owners: Vec<_> = (0..100).map(owner).collect();
    owners.iter_mut().take(60).for_each(|owner| owner.user = Some("another".into()));
    assert_eq!(
        Vanished::count(&listing(60..100), &owners, LONGEST, 10),
        Vanished { missing: 0, of: 40, believed: true, only_in: None }
    );
    for owner in &mut owners {
        owner.user = None;
    }
    assert_eq!(Vanished::count(&listing(60..100), &owners, LONGEST, 10).of, 100, "where that is not known, it should");
}

#[test]
fn a_list_need_not_show_what_is_younger_than_its_lag() {
    let aged = |seconds: i64| {
        let young = Owner { requested: Some(at(1000 - seconds)), ..owner(1) };
        Vanished::count(&listing(0..0), &[young], LONGEST, 10).of
    };
    assert_eq!((aged(99), aged(100), aged(-50)), (0, 1, 0));
    let without = Owner { requested: None, tokens: vec![named("12")], ..owner(1) };
    assert_eq!(Vanished::count(&listing(0..0), &[without], LONGEST, 10).of, 0, "one that retires is not missed");
}

#[test]
fn a_missing_token_is_said_to_be_missing_only_where_that_is_believed() {
    let list = listing(0..1);
    let digest = crate::domain::inventory::digest("prod");
    for believed in [false, true] {
        assert_eq!(listed(&list, &named("0"), believed), Listed::Shown(digest));
    }
    assert_eq!(listed(&list, &named("1"), true), Listed::Missing(at(1000)));
    assert_eq!(listed(&list, &named("1"), false), Listed::Unknown);
}
