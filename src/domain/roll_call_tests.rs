//! What registries say of tokens, in the place of a list.

use super::*;
use crate::domain::observed::Observed;
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;
use crate::domain::testing::{LONGEST, REQUESTED, at, but, named, tell};

fn refused() -> Verdict {
    Verdict::Refused("401".into())
}

fn silent() -> Verdict {
    Verdict::Unknown("down".into())
}

/// So many of so many are refused.
fn heard(missing: usize, of: usize) -> RollCall {
    let mut heard = RollCall::new(at(1000), None);
    for id in 0..of {
        let verdict = if id < missing { refused() } else { Verdict::Accepted };
        heard.hear(&named(&id.to_string()), &verdict);
    }
    heard
}

#[test]
fn a_token_that_was_let_in_before_is_asked_about_and_no_other() {
    let asked = |begun: i64, change: fn(&mut Observed)| {
        let known = recorded(&but(change).object);
        RollCall::new(at(begun), None).concerns(&known, LONGEST)
    };
    let longest = i64::try_from(LONGEST.as_secs()).expect("seconds");
    assert_eq!(asked(REQUESTED + longest, |_| {}), Some(named("17")));
    assert_eq!(asked(REQUESTED + longest - 1, |_| {}), None, "a registry may lag");
    let never_let_in = |seen: &mut Observed| tell(seen, Fact::LoggedIn(refused()));
    assert_eq!(asked(1000, never_let_in), None, "its refusal is no news");
    assert_eq!(asked(1000, |seen| seen.object.status = None), None);
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
fn tokens_that_share_a_login_name_are_told_apart_by_their_ids() {
    let shared = |id: &str| Named { id: id.into(), username: "robot".into() };
    let mut heard = RollCall::new(at(1000), None);
    heard.hear(&shared("1"), &refused());
    heard.hear(&shared("2"), &Verdict::Accepted);
    assert_eq!(heard.listed(&shared("1"), true), Listed::Missing(at(1000)));
    assert_eq!(heard.listed(&shared("2"), true), Listed::LetIn);
}

#[test]
fn what_is_refused_again_is_refused_since_the_first_time() {
    let first = heard(1, 2);
    let mut second = RollCall::new(at(2000), Some(&first));
    for (id, verdict) in [("0", refused()), ("1", refused())] {
        second.hear(&named(id), &verdict);
    }
    assert_eq!(second.listed(&named("0"), true), Listed::Missing(at(1000)));
    assert_eq!(second.listed(&named("1"), true), Listed::Missing(at(2000)));
    let mut third = RollCall::new(at(3000), Some(&second));
    third.hear(&named("0"), &Verdict::Accepted);
    let mut fourth = RollCall::new(at(4000), Some(&third));
    fourth.hear(&named("0"), &refused());
    assert_eq!(fourth.listed(&named("0"), true), Listed::Missing(at(4000)), "it was let in between");
}

#[test]
fn a_registry_that_refuses_all_is_not_believed_and_a_few_are() {
    assert_eq!(heard(11, 100).vanished(10), Vanished { missing: 11, of: 100, believed: false, only_in: None });
    assert!(heard(10, 100).vanished(10).believed);
    assert!(heard(4, 5).vanished(10).believed);
    assert!(heard(1, 1).vanished(10).believed);
    for all in [2, 4, 5, 100] {
        assert!(!heard(all, all).vanished(99).believed, "it refuses everybody");
        assert!(heard(all, all).vanished(100).believed, "unless the user believes that");
    }
}

#[test]
fn what_says_nothing_of_a_token_is_not_counted() {
    let mut heard = heard(0, 3);
    heard.hear(&named("8"), &Verdict::NotAsked);
    heard.hear(&named("9"), &silent());
    assert_eq!(heard.vanished(10), Vanished { missing: 0, of: 3, believed: true, only_in: None });
    assert_eq!(heard.listed(&named("9"), true), Listed::Unknown);
}

#[test]
fn a_registry_that_is_down_is_not_asked_ten_thousand_times() {
    let mut heard = RollCall::new(at(1000), None);
    for verdict in [silent(), silent(), Verdict::Accepted, silent(), silent()] {
        heard.hear(&named("1"), &verdict);
        assert!(heard.goes_on(), "an answer in between begins the count anew");
    }
    heard.hear(&named("1"), &silent());
    assert!(!heard.goes_on());
    heard.complete();
    assert!(!heard.is_complete(), "it is asked about again, as soon as that can be");
}

#[test]
fn what_was_broken_off_is_gone_on_with() {
    let mut call = heard(0, 3);
    assert!(!Evidence::RollCall(call.clone()).is_complete());
    call.complete();
    assert!(Evidence::RollCall(call).is_complete());
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
