use crate::api::Reason;
use crate::domain::decide::{Action, decide};
use crate::domain::model::issuer::IssuerState;
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::pull_secret::Ownership;
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::Observed;
use crate::domain::pass::PassResult;
use crate::domain::protocol::{Response, SecretContent};
use crate::domain::status::StatusEvent;
use crate::domain::test_support::{
    World, annotations, apply, at, at_rest, at_rest_with, at_rest_with_secret, change_issuer, deleting, empty_secret,
    new_object, not_ready, problem, reservation, retiring, row,
};

/// States of an object that has a token, in which no other action is allowed or many are due first.
fn states() -> Vec<(&'static str, Observed)> {
    let with = |name, change: fn(&mut Observed)| (name, at_rest_with(change));
    vec![
        with("at rest", |_| {}),
        with("suspended", |observed| observed.object.suspended = true),
        with("issuer missing", |observed| observed.issuer = IssuerState::Missing),
        with("issuer not ready", |observed| observed.issuer = not_ready()),
        with("issuer not known yet", |observed| observed.issuer = IssuerState::Unknown),
        with("issuer being deleted", |observed| change_issuer(observed, |issuer| issuer.deleting = true)),
        with("portal changed", |observed| change_issuer(observed, |issuer| issuer.portal.url = "https://other".into())),
        with("secret lost", |observed| observed.secret = None),
        with("revoked upstream, held", |observed| {
            observed.object.reissue_revoked = false;
            apply(observed, StatusEvent::RevokedUpstream { problem: problem(Reason::RevokedUpstream), again: false });
        }),
        with("cooldown running", |observed| {
            let rejection =
                crate::domain::model::problem::Problem { terminal: true, ..problem(Reason::RequestRejected) };
            observed.object.requested_annotations = annotations(&[("rotate", "1")]);
            observed.cooldowns = vec![crate::domain::model::cooldown::Cooldown::new(
                crate::domain::model::cooldown::Operation::RequestToken,
                rejection,
            )];
        }),
        with("times ahead of the clock", |observed| observed.now = at(0)),
        with("a retiring token due", |observed| apply(observed, StatusEvent::TokenRetiring(retiring("12", at(0))))),
        with("an overlap running", |observed| apply(observed, StatusEvent::TokenRetiring(retiring("12", at(9000))))),
        with("never named, stored", |observed| observed.object.status = None),
        with("reservation pending", |observed| {
            observed.secret = Some(crate::domain::model::pull_secret::SecretMeta {
                reservation: reservation(9, "another"),
                ..empty_secret()
            });
            observed.object.status = None;
        }),
    ]
}

fn stripped(mut observed: Observed) -> Observed {
    observed.object.has_finalizer = false;
    observed
}

#[test]
fn the_finalizer_is_restored_before_anything_else_in_every_state() {
    for (state, observed) in states() {
        let observed = stripped(observed);
        assert_eq!(decide(&observed), Action::RestoreFinalizer, "{state}");
        let mut world = World::of(observed);
        let _ = world.pass();
        assert_eq!(world.labels.first().map(String::as_str), Some("add finalizer"), "{state}: {:?}", world.labels);
        assert!(world.observed.object.has_finalizer, "{state}");
    }
    let mut foreign = stripped(at_rest());
    foreign.secret.as_mut().expect("a Secret").ownership = Ownership::Foreign;
    assert_eq!(decide(&foreign), Action::RestoreFinalizer, "status names a token, regardless of the Secret's owner");
}

#[test]
fn an_object_that_is_deleted_or_has_no_token_gets_no_finalizer() {
    assert_ne!(decide(&stripped(new_object())), Action::RestoreFinalizer);
    assert_eq!(decide(&deleting(stripped(at_rest()))), Action::Idle, "the API server would reject it");
    let copied = stripped(at_rest_with(|observed| (observed.object.uid, observed.secret) = ("restored".into(), None)));
    assert_ne!(decide(&copied), Action::RestoreFinalizer, "its status names another object's token");
}

#[test]
fn the_label_and_the_owner_reference_are_restored_in_every_state_and_on_an_immutable_secret() {
    for (state, mut observed) in states().into_iter().filter(|(_, observed)| observed.secret.is_some()) {
        observed.secret.as_mut().expect("a Secret").owned_and_labeled = false;
        assert_eq!(decide(&observed), Action::RestoreOwnership, "{state}");
        let mut world = World::of(observed);
        world.content = SecretContent::Immutable { username: Some("tw-17".into()) };
        let _ = world.pass();
        let asked = &world.labels;
        assert_eq!(asked[..3], ["read object", "read secret", "restore ownership"].map(String::from), "{state}");
        assert!(world.observed.secret.as_ref().is_none_or(|secret| secret.owned_and_labeled), "{state}: {asked:?}");
    }
    let mut cached = at_rest_with(|observed| observed.issuer = not_ready());
    cached.secret = None;
    let mut world = World::of(at_rest());
    world.observed.issuer = not_ready();
    world.observed.secret.as_mut().expect("a Secret").owned_and_labeled = false;
    let _ = world.pass_from_cache(cached);
    assert!(world.labels.contains(&"restore ownership".to_owned()), "the cache contains no unlabeled Secret");
}

#[test]
fn a_foreign_secret_is_not_claimed() {
    let foreign =
        at_rest_with_secret(|secret| (secret.ownership, secret.owned_and_labeled) = (Ownership::Foreign, false));
    assert_ne!(decide(&foreign), Action::RestoreOwnership);
    assert_ne!(
        decide(&at_rest_with_secret(|secret| (secret.is_own, secret.owned_and_labeled) = (false, false))),
        Action::RestoreOwnership
    );
    assert_ne!(
        decide(&deleting(at_rest_with_secret(|secret| secret.owned_and_labeled = false))),
        Action::RestoreOwnership,
        "it may be orphaned"
    );
}

#[test]
fn a_rejected_finalizer_blocks_only_requests_and_is_reported() {
    let mut observed = stripped(at_rest_with(|observed| {
        observed.object.requested_annotations = annotations(&[("replace", "1")]);
        apply(observed, StatusEvent::TokenRetiring(retiring("12", at(0))));
        apply(observed, StatusEvent::DescriptionNotSynced(Reason::DescriptionPending, String::new()));
    }));
    observed.now = at(7200);
    let mut world = outdated(observed).on("add finalizer", Response::WriteRejected("policy".into()));
    let end = world.pass();
    let PassResult::Failed(said) = end else { panic!("{end:?}") };
    assert_eq!(said.reason, Reason::APIServerUnavailable);
    assert!(said.message.contains("registry-token.dev/replace will be handled after that"), "{}", said.message);
    for done in ["revoke 12", "edit 17"] {
        assert!(world.labels.contains(&done.to_owned()), "{done}: {:?}", world.labels);
    }
    assert!(!world.labels.contains(&"token".to_owned()));
    assert!(StatusView::of(&world.observed.object).ready);
}

/// The portal shows another description than the spec.
fn outdated(observed: Observed) -> World {
    World::of(observed).listing(&[row("17", "before"), row("12", "before")])
}

/// Requested: a replacement and another description; and a retiring token is due.
fn busy() -> Observed {
    let mut observed = at_rest_with(|observed| {
        observed.object.requested_annotations = annotations(&[("replace", "1")]);
        apply(observed, StatusEvent::TokenRetiring(retiring("12", at(0))));
        apply(observed, StatusEvent::DescriptionNotSynced(Reason::DescriptionPending, String::new()));
    });
    observed.now = at(7200);
    observed
}

#[test]
fn rejected_labels_block_no_edit_no_revocation_and_no_replacement() {
    let mut observed = busy();
    observed.object.generation = 2;
    let mut world = World::of(observed).on("repair", Response::WriteRejected("invalid label".into()));
    world.content = SecretContent::Login {
        username: "tw-17".into(),
        registries_match: true,
        checksum_valid: true,
        template_applied: false,
    };
    let end = world.pass();
    let PassResult::Failed(said) = end else { panic!("{end:?}: {:?}", world.labels) };
    assert!(said.reason == Reason::SecretRejected && said.message.contains("invalid label"), "{}", said.message);
    for done in ["revoke 12", "commit 18", "revoke 17", "edit 18"] {
        assert!(world.labels.contains(&done.to_owned()), "{done}: {:?}", world.labels);
    }
    let status = StatusView::of(&world.observed.object);
    assert!(status.ready && status.has_problem, "pods can pull, and it is reported");
    // At rest the repair is retried, and the status is not written again.
    let mut again = World::of(world.observed).on("repair", Response::WriteRejected("invalid label".into()));
    again.content = SecretContent::Login {
        username: "tw-18".into(),
        registries_match: true,
        checksum_valid: true,
        template_applied: false,
    };
    assert!(matches!(again.pass(), PassResult::Failed(_)));
    assert_eq!(again.statuses().count(), 0, "{:?}", again.labels);
}

#[test]
fn a_waiting_replacement_is_reported_and_blocks_nothing_else() {
    type Case = (&'static str, Option<Response>, fn(&mut Observed), Reason);
    let refuse = || Some(Response::WriteRejected("policy".into()));
    let cases: [Case; 5] = [
        ("dry run", refuse(), |_| {}, Reason::SecretRejected),
        ("reserve", refuse(), |_| {}, Reason::SecretRejected),
        ("token", Some(Response::Rejected(problem(Reason::RequestRejected))), |_| {}, Reason::RequestRejected),
        ("log in", Some(Response::Login(LoginResult::Unknown("down".into()))), |_| {}, Reason::RegistryUnavailable),
        ("", None, |observed| change_issuer(observed, |issuer| issuer.deleting = true), Reason::IssuerDeleting),
    ];
    for (word, response, change, reason) in cases {
        let mut observed = busy();
        change(&mut observed);
        let mut world = outdated(observed);
        if let Some(response) = response {
            world = world.on(word, response);
        }
        let _ = world.pass();
        let conditions = &world.observed.object.status.as_ref().expect("a status").conditions;
        let said = conditions.iter().find(|one| ["Stalled", "Reconciling"].contains(&one.type_.as_str()));
        let said = said.unwrap_or_else(|| panic!("{word}: {conditions:?}"));
        assert_eq!(said.reason, reason.to_string(), "{word}");
        assert!(said.message.contains("registry-token.dev/replace"), "{word}: {}", said.message);
        for done in ["revoke 12", "edit 17"] {
            assert!(world.labels.contains(&done.to_owned()), "{word}, {done}: {:?}", world.labels);
        }
        let status = StatusView::of(&world.observed.object);
        assert!(status.ready && status.has_problem, "{word}: the condition reports it");
    }
}

#[test]
fn a_replacement_is_done_or_reported_in_every_state() {
    for (state, mut observed) in states() {
        if StatusView::of(&observed.object).token.is_none() || observed.issuer == IssuerState::Unknown {
            continue;
        }
        observed.object.requested_annotations = annotations(&[("replace", "1")]);
        let mut world = World::of(observed).listing(&[row("17", "prod"), row("12", "prod")]);
        let end = world.pass();
        let known = StatusView::of(&world.observed.object);
        let done = known.handled_annotations.contains_key("replace");
        let said = world.observed.object.status.iter().flat_map(|status| &status.conditions).any(|one| {
            ["Stalled", "Reconciling"].contains(&one.type_.as_str())
                && one.message.contains("registry-token.dev/replace")
        });
        assert!(done || said, "{state}: {end:?} {:?}", world.labels);
    }
}

#[test]
fn a_token_that_this_process_revoked_is_not_checked_again() {
    let mut observed = deleting(at_rest());
    observed.now = at(1);
    observed.revoked_tokens = vec![crate::domain::test_support::token_ref("17")];
    observed.secret.as_mut().expect("a Secret").closed = true;
    let mut world = World::of(observed).listing(&[]);
    assert_eq!(world.pass(), PassResult::Idle);
    assert_eq!(world.labels, ["read object", "read secret", "remove finalizer"], "the list is not conclusive yet");
}

#[test]
fn a_registry_that_rejects_the_login_blocks_no_replacement() {
    let mut observed = at_rest_with(|observed| {
        observed.object.requested_annotations = annotations(&[("replace", "1")]);
        apply(observed, StatusEvent::LoginChecked(LoginResult::Rejected("no".into())));
    });
    observed.now = at(7200);
    let refused = || Response::Login(LoginResult::Rejected("no".into()));
    let mut world = World::of(observed).on("log in", refused()).on("log in", refused());
    let _ = world.pass();
    assert!(world.labels.contains(&"commit 18".to_owned()), "{:?}", world.labels);
}
