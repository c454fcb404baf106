use crate::api::Reason;
use crate::domain::decide::{Action, decide};
use crate::domain::effect::{Answer, Content, Verdict};
use crate::domain::observed::{IssuerView, Observed};
use crate::domain::pass::End;
use crate::domain::pull_secret::Ownership;
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;
use crate::domain::testing::{
    World, asked, at, at_rest, but, but_secret, empty_secret, fault, going, new, not_ready, of_issuer, reserved,
    retiring, row, tell,
};

/// The states of an object that has a token, in which nothing else may be done, or much is to be done first.
fn states() -> Vec<(&'static str, Observed)> {
    let with = |name, change: fn(&mut Observed)| (name, but(change));
    vec![
        with("at rest", |_| {}),
        with("suspended", |seen| seen.object.suspended = true),
        with("issuer missing", |seen| seen.issuer = IssuerView::Missing),
        with("issuer not ready", |seen| seen.issuer = not_ready()),
        with("issuer not looked at yet", |seen| seen.issuer = IssuerView::Unknown),
        with("issuer being deleted", |seen| of_issuer(seen, |facts| facts.deleting = true)),
        with("portal changed", |seen| of_issuer(seen, |facts| facts.portal.url = "https://other".into())),
        with("secret lost", |seen| seen.secret = None),
        with("revoked upstream, held", |seen| {
            seen.object.reissue = false;
            tell(seen, Fact::RevokedUpstream { fault: fault(Reason::RevokedUpstream), again: false });
        }),
        with("cooldown running", |seen| {
            let refusal = crate::domain::fault::Fault { stalled: true, ..fault(Reason::RequestRefused) };
            seen.object.asked = asked(&[("rotate", "1")]);
            seen.vain = vec![crate::domain::vain::Vain::new(crate::domain::vain::Deed::Attempt, refusal)];
        }),
        with("times ahead of the clock", |seen| seen.now = at(0)),
        with("a retiring token due", |seen| tell(seen, Fact::Retiring(retiring("12", at(0))))),
        with("an overlap running", |seen| tell(seen, Fact::Retiring(retiring("12", at(9000))))),
        with("never named, stored", |seen| seen.object.status = None),
        with("reservation pending", |seen| {
            seen.secret =
                Some(crate::domain::pull_secret::SecretMeta { reservation: reserved(9, "another"), ..empty_secret() });
            seen.object.status = None;
        }),
    ]
}

fn stripped(mut seen: Observed) -> Observed {
    seen.object.finalizer = false;
    seen
}

#[test]
fn the_finalizer_comes_back_before_anything_else_in_every_state() {
    for (state, seen) in states() {
        let seen = stripped(seen);
        assert_eq!(decide(&seen), Action::RestoreFinalizer, "{state}");
        let mut world = World::of(seen);
        let _ = world.pass();
        assert_eq!(world.asked.first().map(String::as_str), Some("hold object"), "{state}: {:?}", world.asked);
        assert!(world.seen.object.finalizer, "{state}");
    }
    let mut foreign = stripped(at_rest());
    foreign.secret.as_mut().expect("a Secret").ownership = Ownership::Foreign;
    assert_eq!(decide(&foreign), Action::RestoreFinalizer, "status names a token, whosever the Secret is");
}

#[test]
fn an_object_without_a_token_or_one_that_goes_gets_no_finalizer_by_it() {
    assert_ne!(decide(&stripped(new())), Action::RestoreFinalizer);
    assert_eq!(decide(&going(stripped(at_rest()))), Action::Rest, "the API server would refuse it");
    let copied = stripped(but(|seen| (seen.object.uid, seen.secret) = ("restored".into(), None)));
    assert_ne!(decide(&copied), Action::RestoreFinalizer, "its status speaks of another object's token");
}

#[test]
fn the_label_and_the_owner_reference_come_back_in_every_state_and_on_an_immutable_secret() {
    for (state, mut seen) in states().into_iter().filter(|(_, seen)| seen.secret.is_some()) {
        seen.secret.as_mut().expect("a Secret").tied = false;
        assert_eq!(decide(&seen), Action::RestoreOwnership, "{state}");
        let mut world = World::of(seen);
        world.content = Content::Immutable { holds: Some("tw-17".into()) };
        let _ = world.pass();
        let asked = &world.asked;
        assert_eq!(asked[..3], ["read object", "read secret", "restore ownership"].map(String::from), "{state}");
        assert!(world.seen.secret.as_ref().is_none_or(|secret| secret.tied), "{state}: {asked:?}");
    }
    let mut cached = but(|seen| seen.issuer = not_ready());
    cached.secret = None;
    let mut world = World::of(at_rest());
    world.seen.issuer = not_ready();
    world.seen.secret.as_mut().expect("a Secret").tied = false;
    let _ = world.pass_upon(cached);
    assert!(world.asked.contains(&"restore ownership".to_owned()), "a cache shows no unlabelled Secret");
}

#[test]
fn a_secret_that_is_not_the_objects_own_is_not_claimed_by_it() {
    let foreign = but_secret(|held| (held.ownership, held.tied) = (Ownership::Foreign, false));
    assert_ne!(decide(&foreign), Action::RestoreOwnership);
    assert_ne!(decide(&but_secret(|held| (held.claimed, held.tied) = (false, false))), Action::RestoreOwnership);
    assert_ne!(decide(&going(but_secret(|held| held.tied = false))), Action::RestoreOwnership, "it may be orphaned");
}

#[test]
fn a_finalizer_that_is_refused_stops_requests_alone_and_is_reported() {
    let mut seen = stripped(but(|seen| {
        seen.object.asked = asked(&[("replace", "1")]);
        tell(seen, Fact::Retiring(retiring("12", at(0))));
        tell(seen, Fact::DescriptionNotSynced(Reason::EditPending, String::new()));
    }));
    seen.now = at(7200);
    let mut world = outdated(seen).on("hold object", Answer::Refused("policy".into()));
    let end = world.pass();
    let End::Failed(said) = end else { panic!("{end:?}") };
    assert_eq!(said.reason, Reason::ClusterUnavailable);
    assert!(said.message.contains("registry-token.dev/replace is acted on after that"), "{}", said.message);
    for done in ["revoke 12", "edit 17"] {
        assert!(world.asked.contains(&done.to_owned()), "{done}: {:?}", world.asked);
    }
    assert!(!world.asked.contains(&"token".to_owned()));
    assert!(recorded(&world.seen.object).ready);
}

/// The portal shows another description than the spec's.
fn outdated(seen: Observed) -> World {
    World::of(seen).listing(&[row("17", "before"), row("12", "before")])
}

/// Asked for: a replacement and another description; and a former token is due.
fn busy() -> Observed {
    let mut seen = but(|seen| {
        seen.object.asked = asked(&[("replace", "1")]);
        tell(seen, Fact::Retiring(retiring("12", at(0))));
        tell(seen, Fact::DescriptionNotSynced(Reason::EditPending, String::new()));
    });
    seen.now = at(7200);
    seen
}

#[test]
fn refused_labels_hold_up_no_edit_no_revocation_and_no_replacement() {
    let mut seen = busy();
    seen.object.generation = 2;
    let mut world = World::of(seen).on("repair", Answer::Refused("invalid label".into()));
    world.content = Content::Login { username: "tw-17".into(), registries: true, intact: true, dressed: false };
    let end = world.pass();
    let End::Failed(said) = end else { panic!("{end:?}: {:?}", world.asked) };
    assert!(said.reason == Reason::SecretRefused && said.message.contains("invalid label"), "{}", said.message);
    for done in ["revoke 12", "commit 18", "revoke 17", "edit 18"] {
        assert!(world.asked.contains(&done.to_owned()), "{done}: {:?}", world.asked);
    }
    let known = recorded(&world.seen.object);
    assert!(known.ready && known.hindered, "pods can pull, and it is said");
    // At rest it is tried again and written no more.
    let mut again = World::of(world.seen).on("repair", Answer::Refused("invalid label".into()));
    again.content = Content::Login { username: "tw-18".into(), registries: true, intact: true, dressed: false };
    assert!(matches!(again.pass(), End::Failed(_)));
    assert_eq!(again.statuses().count(), 0, "{:?}", again.asked);
}

#[test]
fn a_replacement_that_waits_says_so_and_holds_up_nothing_else() {
    type Case = (&'static str, Option<Answer>, fn(&mut Observed), Reason);
    let refuse = || Some(Answer::Refused("policy".into()));
    let cases: [Case; 5] = [
        ("try", refuse(), |_| {}, Reason::SecretRefused),
        ("reserve", refuse(), |_| {}, Reason::SecretRefused),
        ("token", Some(Answer::Denied(fault(Reason::RequestRefused))), |_| {}, Reason::RequestRefused),
        ("log in", Some(Answer::Login(Verdict::Unknown("down".into()))), |_| {}, Reason::RegistryUnavailable),
        ("", None, |seen| of_issuer(seen, |facts| facts.deleting = true), Reason::IssuerDeleting),
    ];
    for (word, answer, change, reason) in cases {
        let mut seen = busy();
        change(&mut seen);
        let mut world = outdated(seen);
        if let Some(answer) = answer {
            world = world.on(word, answer);
        }
        let _ = world.pass();
        let conditions = &world.seen.object.status.as_ref().expect("a status").conditions;
        let said = conditions.iter().find(|one| ["Stalled", "Reconciling"].contains(&one.type_.as_str()));
        let said = said.unwrap_or_else(|| panic!("{word}: {conditions:?}"));
        assert_eq!(said.reason, reason.to_string(), "{word}");
        assert!(said.message.contains("registry-token.dev/replace"), "{word}: {}", said.message);
        for done in ["revoke 12", "edit 17"] {
            assert!(world.asked.contains(&done.to_owned()), "{word}, {done}: {:?}", world.asked);
        }
        let known = recorded(&world.seen.object);
        assert!(known.ready && known.hindered, "{word}: the condition says it");
    }
}

#[test]
fn a_replacement_is_done_or_reported_in_every_state() {
    for (state, mut seen) in states() {
        if recorded(&seen.object).token.is_none() || seen.issuer == IssuerView::Unknown {
            continue;
        }
        seen.object.asked = asked(&[("replace", "1")]);
        let mut world = World::of(seen).listing(&[row("17", "prod"), row("12", "prod")]);
        let end = world.pass();
        let known = recorded(&world.seen.object);
        let done = known.handled.contains_key("replace");
        let said = world.seen.object.status.iter().flat_map(|status| &status.conditions).any(|one| {
            ["Stalled", "Reconciling"].contains(&one.type_.as_str())
                && one.message.contains("registry-token.dev/replace")
        });
        assert!(done || said, "{state}: {end:?} {:?}", world.asked);
    }
}

#[test]
fn a_token_that_this_process_revoked_is_not_asked_about_again() {
    let mut seen = going(at_rest());
    seen.now = at(1);
    seen.revoked = vec![crate::domain::testing::named("17")];
    seen.secret.as_mut().expect("a Secret").closed = true;
    let mut world = World::of(seen).listing(&[]);
    assert_eq!(world.pass(), End::Rest);
    assert_eq!(world.asked, ["read object", "read secret", "release object"], "the list proves nothing so early");
}

#[test]
fn a_registry_that_refuses_holds_up_no_replacement() {
    let mut seen = but(|seen| {
        seen.object.asked = asked(&[("replace", "1")]);
        tell(seen, Fact::LoggedIn(Verdict::Refused("no".into())));
    });
    seen.now = at(7200);
    let refused = || Answer::Login(Verdict::Refused("no".into()));
    let mut world = World::of(seen).on("log in", refused()).on("log in", refused());
    let _ = world.pass();
    assert!(world.asked.contains(&"commit 18".to_owned()), "{:?}", world.asked);
}
