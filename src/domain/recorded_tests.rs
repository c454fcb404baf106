use super::*;
use crate::domain::cause::Cause;
use crate::domain::effect::Verdict;
use crate::domain::status::Fact;
use crate::domain::testing::{at, at_rest, but, every, fault, named, retiring, stored, tell, token};

fn after(fact: Fact) -> Recorded {
    recorded(&but(|seen| tell(seen, fact)).object)
}

#[test]
fn an_object_at_rest_is_known_as_such() {
    let known = recorded(&at_rest().object);
    assert_eq!((known.token.clone(), known.retiring.len()), (Some(token("17")), 0));
    assert!(known.ready && known.verified && !known.hindered && !known.suspended && !known.revoked_upstream);
    assert_eq!(
        (known.observed_generation, known.description_synced, known.description_refused),
        (Some(1), Some(1), None)
    );
    assert_eq!(known.secret_version.as_deref(), Some("5"));
}

#[test]
fn a_status_of_another_object_says_nothing() {
    assert_eq!(recorded(&but(|seen| seen.object.uid = "restored".into()).object), Recorded::default());
    let nameless = but(|seen| seen.object.status.as_mut().expect("a status").uid = None);
    assert_eq!(recorded(&nameless.object), Recorded::default());
}

#[test]
fn a_description_counts_for_its_generation_only() {
    let known = after(Fact::DescriptionNotSynced(Reason::EditRefused, String::new()));
    assert_eq!((known.description_synced, known.description_refused), (None, Some(1)));
    let known = after(Fact::DescriptionNotSynced(Reason::EditNotKept, String::new()));
    assert_eq!(known.description_refused, Some(1));
    let known = after(Fact::DescriptionNotSynced(Reason::EditPending, String::new()));
    assert_eq!((known.description_synced, known.description_refused), (None, None));
    let edited = but(|seen| {
        seen.object.generation = 2;
        tell(seen, Fact::LoggedIn(Verdict::Accepted));
    });
    let known = recorded(&edited.object);
    assert_eq!((known.observed_generation, known.description_synced), (Some(2), Some(1)));
}

#[test]
fn a_revocation_concerns_the_token_that_was_current_then() {
    let revoked = Fact::RevokedUpstream { fault: fault(Reason::RevokedUpstream), again: true };
    let known = after(revoked.clone());
    assert!(known.revoked_upstream && !known.ready);
    assert_eq!(known.upstream_revocation.map(|(_, again)| again), Some(true));
    let before = recorded(
        &but(|seen| {
            seen.now = at(-5);
            tell(seen, revoked);
        })
        .object,
    );
    assert!(!before.revoked_upstream && before.upstream_revocation.is_some(), "that was a former one");
}

#[test]
fn every_token_is_named_the_current_one_first() {
    let seen = but(|seen| tell(seen, Fact::Retiring(retiring("12", at(0)))));
    let known = recorded(&seen.object);
    assert_eq!(known.tokens(), [named("17"), named("12")]);
    assert!(known.retires("12") && !known.retires("17"));
    assert_eq!(Recorded::default().tokens(), []);
}

#[test]
fn what_hinders_and_what_is_due_is_known() {
    for stalled in [false, true] {
        let fault = crate::domain::fault::Fault { stalled, ..fault(Reason::IssuerNotReady) };
        let known = after(Fact::Hindered { fault, working: true });
        assert!(known.hindered && known.ready);
    }
    let due = but(|seen| {
        seen.object.rotation = Some(every(1, 5));
        tell(seen, stored("17", Cause::Lost));
    });
    assert!(recorded(&due.object).next_rotation.is_some());
}

#[test]
fn the_uid_of_a_secret_counts_with_a_proof_of_this_object_only() {
    let object = at_rest().object;
    let status = object.status.clone().expect("a status");
    let proved = |uid: &str, change: fn(&mut RegistryTokenStatus)| {
        let mut status = status.clone();
        change(&mut status);
        proved_secret(&status, uid, &object.keys).map(str::to_owned)
    };
    assert_eq!(proved(&object.uid, |_| {}).as_deref(), Some("uid-of-the-secret"));
    assert_eq!(proved("another", |_| {}), None);
    let forged =
        |status: &mut RegistryTokenStatus| status.secret.as_mut().expect("a Secret").uid = Some("theirs".into());
    assert_eq!(proved(&object.uid, forged), None, "somebody wrote another UID there");
    let bare = |status: &mut RegistryTokenStatus| status.secret.as_mut().expect("a Secret").mac = None;
    assert_eq!(proved(&object.uid, bare), None);
}

#[test]
fn a_forged_uid_of_a_secret_is_not_signed_by_the_next_write_of_the_status() {
    let seen = but(|seen| {
        let status = seen.object.status.as_mut().expect("a status");
        status.secret.as_mut().expect("a Secret").uid = Some("theirs".into());
        tell(seen, Fact::LoggedIn(Verdict::Accepted));
    });
    assert_eq!(
        proved_secret(seen.object.status.as_ref().expect("a status"), &seen.object.uid, &seen.object.keys),
        None
    );
}

#[test]
fn where_the_key_may_be_lost_our_note_in_the_secret_stands_in_for_the_proof_of_its_uid() {
    let object = at_rest().object;
    let status = object.status.as_ref().expect("a status");
    let lost = crate::domain::token_mac::MacKeys::new(&[9; 32], [], at(4000)).expect("keys");
    let counts = |created: i64, is_noted| recorded_secret(status, &object.uid, at(created), &lost, is_noted).is_some();
    assert!(counts(0, true));
    assert!(!counts(0, false), "who may only write statuses could have named any Secret");
    assert!(!counts(4001, true), "it was never signed with a key that is lost");
    assert!(recorded_secret(status, &object.uid, object.created, &object.keys, false).is_some());
}
