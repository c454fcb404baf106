use super::*;
use crate::api::{RecordedPortal, RecordedToken, RetiringToken};
use crate::domain::marker::Attempt;
use crate::domain::observed::{ObjectFacts, Recorded};
use crate::domain::pull_secret::{Abandoned, Reservation, Stored};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

fn attempt_id() -> Attempt {
    Attempt::from_random(&[1; 16])
}

fn portal() -> RecordedPortal {
    RecordedPortal { url: "https://p".into(), application: "tcp".into(), user: "u".into() }
}

fn facts() -> IssuerFacts {
    IssuerFacts {
        portal: portal(),
        registries: "hash".into(),
        description_max: None,
        longest_answer: Duration::from_secs(100),
        deleting: false,
    }
}

fn secret() -> SecretMeta {
    SecretMeta {
        uid: "s".into(),
        resource_version: "5".into(),
        ownership: Ownership::Ours,
        tied: true,
        reservation: None,
        abandoned: vec![],
        stored: Some(Stored { attempt: attempt_id(), id: "17".into() }),
        closed: false,
        registries: Some("hash".into()),
    }
}

/// An object at rest: everything is as it should be.
fn at_rest() -> Observed {
    let token = RecordedToken {
        id: "17".into(),
        username: "tw-17".into(),
        nonce: "n".into(),
        request_time: Time(Timestamp::UNIX_EPOCH),
    };
    Observed {
        now: Timestamp::UNIX_EPOCH,
        object: ObjectFacts { uid: "o".into(), generation: 1, deleting: false, finalizer: true, description_length: 4 },
        recorded: Recorded {
            portal: Some(portal()),
            token: Some(token),
            retiring: vec![],
            secret_version: Some("5".into()),
            observed_generation: Some(1),
            description_synced: Some(1),
            description_refused: None,
            ready: true,
            hindered: false,
        },
        secret: Some(secret()),
        issuer: IssuerView::Ready(facts()),
        holder: "me".into(),
        reservation_seen: Duration::ZERO,
    }
}

fn new() -> Observed {
    Observed { recorded: Recorded::default(), secret: None, ..at_rest() }
}

fn with_secret(change: impl FnOnce(&mut SecretMeta)) -> Observed {
    let mut held = secret();
    change(&mut held);
    Observed { secret: Some(held), ..at_rest() }
}

fn reason(action: &Action) -> Option<Reason> {
    match action {
        Action::Wait(fault) | Action::WaitFor(_, fault) => Some(fault.reason),
        _ => None,
    }
}

#[test]
fn nothing_is_done_at_rest() {
    assert_eq!(decide(&at_rest()), Action::Rest);
}

#[test]
fn the_finalizer_comes_before_the_first_attempt() {
    let mut seen = new();
    seen.object.finalizer = false;
    assert_eq!(decide(&seen), Action::AddFinalizer);
    assert_eq!(decide(&new()), Action::Attempt);
}

#[test]
fn an_attempt_is_never_begun_on_what_a_cache_holds() {
    for action in [Action::Attempt, Action::Adopt, Action::Abandon, Action::Recover, Action::RevokeAll, Action::Close] {
        assert!(!action.may_use_cache(), "{action:?}");
    }
}

#[test]
fn without_its_issuer_a_new_object_waits_and_says_why() {
    assert_eq!(reason(&decide(&Observed { issuer: IssuerView::Missing, ..new() })), Some(Reason::IssuerNotFound));
    let not_ready = IssuerView::NotReady { reason: Reason::Unauthorised, message: "check the Secret".into() };
    let action = decide(&Observed { issuer: not_ready, ..new() });
    assert_eq!(reason(&action), Some(Reason::IssuerNotReady));
    assert!(format!("{action:?}").contains("Unauthorised"));
    assert_eq!(decide(&Observed { issuer: IssuerView::Unknown, ..new() }), Action::Rest);
}

#[test]
fn an_outage_of_the_portal_costs_a_working_object_no_write() {
    let not_ready = IssuerView::NotReady { reason: Reason::Unreachable, message: "down".into() };
    assert_eq!(decide(&Observed { issuer: not_ready, ..at_rest() }), Action::Rest);
    assert_eq!(decide(&Observed { issuer: IssuerView::Missing, ..at_rest() }), Action::Rest);
}

#[test]
fn what_hindered_is_cleared_when_it_is_over() {
    let mut seen = at_rest();
    seen.recorded.hindered = true;
    assert_eq!(decide(&seen), Action::Inspect);
}

#[test]
fn an_issuer_that_is_going_gets_no_new_request() {
    let going = IssuerView::Ready(IssuerFacts { deleting: true, ..facts() });
    assert_eq!(reason(&decide(&Observed { issuer: going, ..new() })), Some(Reason::IssuerDeleting));
}

#[test]
fn a_description_too_long_with_its_marker_says_how_short_it_must_be() {
    let tight = IssuerView::Ready(IssuerFacts { description_max: Some(MARKER_LENGTH + 3), ..facts() });
    let action = decide(&Observed { issuer: tight, ..new() });
    assert_eq!(reason(&action), Some(Reason::DescriptionTooLong));
    assert!(format!("{action:?}").contains("shorten it to 3"));
}

#[test]
fn anothers_reservation_is_waited_for_and_then_given_up() {
    let reserved = |holder: &str, seen: u64| Observed {
        reservation_seen: Duration::from_secs(seen),
        ..with_secret(|held| held.reservation = Some(Reservation { attempt: attempt_id(), holder: holder.into() }))
    };
    assert_eq!(decide(&reserved("me", 0)), Action::Abandon);
    assert!(matches!(decide(&reserved("other", 40)), Action::WaitFor(left, _) if left == Duration::from_mins(1)));
    assert_eq!(decide(&reserved("other", 100)), Action::Abandon);
}

#[test]
fn what_was_given_up_is_sought_before_anything_else() {
    let seen = with_secret(|held| {
        held.abandoned = vec![Abandoned { attempt: attempt_id(), until: Timestamp::UNIX_EPOCH }];
        held.stored = None;
    });
    assert_eq!(decide(&seen), Action::Recover);
}

#[test]
fn a_stored_token_that_status_does_not_name_is_judged_for_adoption() {
    assert_eq!(decide(&Observed { recorded: Recorded::default(), ..at_rest() }), Action::Adopt);
}

#[test]
fn a_lost_secret_means_a_new_token() {
    assert_eq!(decide(&Observed { secret: None, ..at_rest() }), Action::Attempt);
    assert_eq!(decide(&with_secret(|held| held.stored = None)), Action::Attempt);
}

#[test]
fn every_difference_makes_the_secret_be_read() {
    assert_eq!(decide(&with_secret(|held| held.resource_version = "6".into())), Action::Inspect);
    assert_eq!(decide(&with_secret(|held| held.registries = None)), Action::Inspect);
    assert_eq!(decide(&with_secret(|held| held.tied = false)), Action::Inspect);
}

#[test]
fn an_edited_description_is_settled_and_a_refused_one_is_left() {
    let mut seen = at_rest();
    seen.recorded.description_synced = None;
    assert_eq!(decide(&seen), Action::Settle);
    seen.recorded.description_refused = Some(1);
    assert_eq!(decide(&seen), Action::Rest);
}

#[test]
fn a_retiring_token_is_revoked_when_it_is_due() {
    let mut seen = at_rest();
    let due = |at| vec![RetiringToken { id: "1".into(), username: "tw-1".into(), revocation_time: Time(at) }];
    seen.recorded.retiring = due(Timestamp::UNIX_EPOCH);
    assert_eq!(decide(&seen), Action::RevokeRetiring);
    seen.recorded.retiring = due(Timestamp::MAX);
    assert_eq!(decide(&seen), Action::Rest);
}

#[test]
fn a_foreign_secret_is_left_alone() {
    let action = decide(&with_secret(|held| held.ownership = Ownership::Foreign));
    assert_eq!(reason(&action), Some(Reason::SecretNotOurs));
}

#[test]
fn a_moved_portal_is_not_acted_on() {
    let mut elsewhere = facts();
    elsewhere.portal.url = "https://q".into();
    let mut seen = Observed { issuer: IssuerView::Ready(elsewhere), ..at_rest() };
    assert_eq!(decide(&seen), Action::Rest, "pods can pull, and one red issuer says it for all");
    seen.recorded.ready = false;
    assert_eq!(reason(&decide(&seen)), Some(Reason::PortalChanged));
    seen.object.deleting = true;
    seen.secret = Some(SecretMeta { closed: true, ..secret() });
    assert_eq!(reason(&decide(&seen)), Some(Reason::PortalChanged));
}

#[test]
fn an_object_ends_closed_recovered_revoked_and_only_then_released() {
    let mut seen = at_rest();
    seen.object.deleting = true;
    assert_eq!(decide(&seen), Action::Close);
    seen.secret = Some(SecretMeta {
        closed: true,
        abandoned: vec![Abandoned { attempt: attempt_id(), until: Timestamp::MAX }],
        ..secret()
    });
    assert_eq!(decide(&seen), Action::Recover);
    seen.secret = Some(SecretMeta { closed: true, ..secret() });
    assert_eq!(decide(&seen), Action::RevokeAll);
    seen.secret = Some(SecretMeta { closed: true, stored: None, ..secret() });
    seen.recorded = Recorded::default();
    assert_eq!(decide(&seen), Action::RemoveFinalizer);
}

#[test]
fn an_object_whose_issuer_is_gone_keeps_its_finalizer_while_a_token_lives() {
    let mut seen = Observed { issuer: IssuerView::Missing, secret: None, ..at_rest() };
    seen.object.deleting = true;
    assert_eq!(reason(&decide(&seen)), Some(Reason::IssuerNotFound));
    seen.recorded = Recorded::default();
    assert_eq!(decide(&seen), Action::RemoveFinalizer);
}

#[test]
fn a_foreign_secret_neither_holds_up_nor_ends_with_the_object() {
    let mut seen = with_secret(|held| held.ownership = Ownership::Foreign);
    seen.object.deleting = true;
    seen.recorded = Recorded::default();
    assert_eq!(decide(&seen), Action::RemoveFinalizer);
}
