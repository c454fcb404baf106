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
