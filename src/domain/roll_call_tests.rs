//! What registries say of tokens, in the place of a list.

use super::*;
use crate::domain::testing::{LONGEST, at, named};

fn refused() -> Verdict {
    Verdict::Refused("401".into())
}

fn silent() -> Verdict {
    Verdict::Unknown("down".into())
}

fn owner(requested: i64, user: &str) -> Owner {
    Owner {
        uid: "uid".into(),
        namespace: "team-a".into(),
        secret: "pull".into(),
        tokens: vec![named("17"), named("12")],
        requested: Some(at(requested)),
        user: Some(user.into()),
    }
}

/// So many of so many are refused.
fn heard(missing: usize, of: usize) -> RollCall {
    let mut heard = RollCall::new(at(1000));
    for id in 0..of {
        let verdict = if id < missing { refused() } else { Verdict::Accepted };
        heard.hear(&named(&id.to_string()), &verdict);
    }
    heard
}

#[test]
fn the_current_token_is_asked_about_and_not_a_retiring_one() {
    let heard = RollCall::new(at(1000));
    assert_eq!(heard.concerns(&owner(0, "k8s"), "k8s", LONGEST), Some(&named("17")));
    let longest = i64::try_from(LONGEST.as_secs()).expect("seconds");
    assert_eq!(heard.concerns(&owner(1000 - longest + 1, "k8s"), "k8s", LONGEST), None, "a registry may lag");
    assert_eq!(heard.concerns(&owner(0, "another"), "k8s", LONGEST), None);
    let nothing = Owner { tokens: vec![], requested: None, ..owner(0, "k8s") };
    assert_eq!(heard.concerns(&nothing, "k8s", LONGEST), None);
}

#[test]
fn what_is_refused_is_missing_and_what_is_let_in_is_there() {
    let heard = heard(1, 2);
    assert_eq!(heard.listed(&named("0"), true), Listed::Missing(at(1000)));
    assert_eq!(heard.listed(&named("1"), true), Listed::LetIn);
    assert_eq!(heard.listed(&named("7"), true), Listed::Unknown, "nobody asked");
    assert_eq!(heard.listed(&named("0"), false), Listed::Unknown, "so many at once are not believed");
}

#[test]
fn a_registry_that_refuses_all_is_not_believed_and_a_few_are() {
    assert_eq!(heard(11, 100).vanished(10), Vanished { missing: 11, of: 100, believed: false });
    assert!(heard(10, 100).vanished(10).believed);
    assert!(heard(4, 4).vanished(10).believed);
    assert!(!heard(5, 5).vanished(10).believed);
}

#[test]
fn what_says_nothing_of_a_token_is_not_counted() {
    let mut heard = heard(0, 3);
    heard.hear(&named("8"), &Verdict::NotAsked);
    heard.hear(&named("9"), &silent());
    assert_eq!(heard.vanished(10), Vanished { missing: 0, of: 3, believed: true });
    assert_eq!(heard.listed(&named("9"), true), Listed::Unknown);
}

#[test]
fn a_registry_that_is_down_is_not_asked_ten_thousand_times() {
    let mut heard = RollCall::new(at(1000));
    for verdict in [silent(), silent(), Verdict::Accepted, silent(), silent()] {
        heard.hear(&named("1"), &verdict);
        assert!(heard.goes_on(), "an answer in between begins the count anew");
    }
    heard.hear(&named("1"), &silent());
    assert!(!heard.goes_on());
}

#[test]
fn only_a_list_shows_what_nobody_knows() {
    let call = Evidence::RollCall(heard(0, 3));
    assert_eq!((call.is_list(), call.tokens(), call.begun()), (false, None, at(1000)));
    assert_eq!(call.listed(&named("1"), true), Listed::LetIn);
    let list = crate::domain::inventory::Inventory::new(at(5), "k8s".into(), crate::domain::testing::tag());
    let list = Evidence::List(list);
    assert_eq!((list.is_list(), list.tokens(), list.begun()), (true, Some(0), at(5)));
    assert_eq!(list.listed(&named("1"), true), Listed::Missing(at(5)));
}
