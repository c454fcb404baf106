use super::*;
use crate::api::{LoginCheck, Reason};
use crate::domain::model::hash::hash64;
use crate::domain::model::issuer::IssuerState;
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::object::Object;
use crate::domain::model::pull_secret::Ownership;
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::UpstreamState;
use crate::domain::protocol::{SecretContent, SecretWrite};
use crate::domain::test_support::{
    World, annotations, apply, at, at_rest, at_rest_with, at_rest_with_secret, change_issuer, empty_secret, new_object,
    not_ready, problem, reservation, retiring, rotation_every, row,
};

fn done(mut world: World) -> (Vec<String>, PassResult) {
    let end = world.pass();
    (world.labels, end)
}

#[test]
fn an_object_at_rest_costs_no_request_at_all() {
    assert_eq!(done(World::of(at_rest())), (vec![], PassResult::Idle));
    let rotating = at_rest_with(|observed| {
        observed.object.rotation = Some(rotation_every(100, 15));
        apply(observed, StatusEvent::DescriptionSynced);
    });
    let (asked, end) = done(World::of(rotating));
    assert!(asked.is_empty() && matches!(end, PassResult::IdleFor(_)), "{asked:?} {end:?}");
}

/// Runs the pass of a new object, which gets its token, and checks what it requests: this, once it has a slot, and then the
/// same for each.
fn first_pass(observed: Observed, protection: &str) -> World {
    let mut world = World::of(observed);
    assert_eq!(world.pass(), PassResult::Idle);
    let order =
        ["slot", protection, "reserve", "read issuer", "token", "commit 18", "log in", "status", "edit 18", "status"];
    assert_eq!(world.labels, order);
    assert_eq!(world.rows, [row("18", "prod")]);
    world
}

#[test]
fn a_new_object_is_at_rest_after_one_pass() {
    let mut observed = new_object();
    observed.object.has_finalizer = false;
    let world = first_pass(observed, "add finalizer");
    assert!(StatusView::of(&world.observed.object).ready);
    let mut again = World::of(world.observed);
    assert_eq!((again.pass(), again.labels.len()), (PassResult::Idle, 0));
}

#[test]
fn a_new_object_with_the_finalizer_costs_one_write_less_and_one_read_more() {
    first_pass(new_object(), "read object");
}

#[test]
fn a_secret_that_the_cache_does_not_contain_is_read_in_the_next_pass() {
    let (mut pass, mut next) = Pass::begin(new_object());
    for response in [Response::Done, Response::Object(Some(Box::new(new_object().object))), Response::Conflict] {
        assert!(!pass.observed().request_history.has_hidden_secret(), "{next:?}");
        (pass, next) = pass.step(response, at(1));
    }
    assert_eq!(next, Step::Perform(Request::ReadSecret));
    let request_history = pass.observed().request_history.clone();
    assert!(request_history.has_hidden_secret(), "it exists");
    let mut again = World::of(Observed { request_history, ..new_object() });
    assert_eq!(again.pass(), PassResult::Idle);
    assert_eq!(again.labels.get(..4), Some(&["slot", "read object", "read secret", "reserve"].map(String::from)[..]));
}

#[test]
fn a_rotation_does_not_delay_objects_without_a_token() {
    let mut rotate = at_rest_with(|observed| observed.object.requested_annotations = annotations(&[("rotate", "1")]));
    rotate.object.rotation = Some(rotation_every(100, 15));
    let mut world = World::of(rotate);
    assert!(matches!(world.pass(), PassResult::IdleFor(_)), "until the overlap ends");
    assert_eq!(world.labels[0], "slot, low priority");
    let status = StatusView::of(&world.observed.object);
    assert_eq!(
        (status.handled_annotations.clone(), status.is_retiring("17"), status.ready),
        (annotations(&[("rotate", "1")]), true, true)
    );
    let lost = World::of(at_rest_with(|observed| observed.secret = None));
    assert_eq!(done(lost).0[0], "slot");
}

/// Objects in all kinds of states, as a cache may contain them.
fn many_states() -> Vec<Observed> {
    let issuers: [fn(&mut crate::domain::model::issuer::IssuerInfo); 5] = [
        |_| {},
        |issuer| issuer.list_visible = false,
        |issuer| issuer.login_check = LoginCheck::Disabled,
        |issuer| issuer.deleting = true,
        |issuer| issuer.portal.url = "https://q".into(),
    ];
    let secrets = [
        None,
        at_rest().secret,
        Some(empty_secret()),
        at_rest_with_secret(|secret| secret.closed = true).secret,
        at_rest_with_secret(|secret| secret.reservation = reservation(9, "me")).secret,
        at_rest_with_secret(|secret| secret.owned_and_labeled = false).secret,
        at_rest_with_secret(|secret| secret.ownership = Ownership::Foreign).secret,
        at_rest_with_secret(|secret| secret.stored.as_mut().expect("a token").id = "16".into()).secret,
    ];
    let statuses: [fn(&mut Observed); 6] = [
        |_| {},
        |observed| observed.object.status = None,
        |observed| apply(observed, StatusEvent::TokenRetiring(retiring("12", at(0)))),
        |observed| apply(observed, StatusEvent::LoginChecked(LoginResult::Rejected("no".into()))),
        |observed| apply(observed, StatusEvent::DescriptionNotSynced(Reason::DescriptionPending, String::new())),
        |observed| {
            apply(observed, StatusEvent::RevokedUpstream { problem: problem(Reason::RevokedUpstream), again: false });
        },
    ];
    let objects: [fn(&mut Object); 6] = [
        |_| {},
        |object| object.deleting = true,
        |object| (object.deleting, object.revoke_on_deletion) = (true, false),
        |object| object.requested_annotations = annotations(&[("replace", "1")]),
        |object| object.suspended = true,
        |object| object.reissue_revoked = false,
    ];
    let upstream = [UpstreamState::Unknown, UpstreamState::Absent(at(3000)), UpstreamState::Present(hash64("x"))];
    let mut all = vec![];
    for change in issuers {
        for secret in &secrets {
            for status in statuses {
                for object in objects {
                    for upstream in upstream {
                        let mut observed = Observed { secret: secret.clone(), upstream, ..at_rest() };
                        change_issuer(&mut observed, change);
                        status(&mut observed);
                        object(&mut observed.object);
                        all.push(observed);
                    }
                }
            }
        }
    }
    for issuer in [IssuerState::Missing, not_ready(), IssuerState::Unknown] {
        let others: Vec<_> = all
            .iter()
            .filter(|observed| observed.issuer_info() == at_rest().issuer_info())
            .map(|observed| Observed { issuer: issuer.clone(), ..observed.clone() })
            .collect();
        all.extend(others);
    }
    all
}

#[test]
fn cached_data_starts_no_unguarded_request() {
    let (mut guarded, mut read) = (0, 0);
    for observed in many_states() {
        match Pass::begin(observed.clone()).1 {
            Step::Perform(Request::ReadObject | Request::AcquireSlot { .. }) => read += 1,
            Step::Perform(Request::WriteStatus(_) | Request::RequeueIssuer | Request::SetFinalizer(true)) => {
                guarded += 1;
            }
            Step::Perform(request) => panic!("{request:?} upon {observed:?}"),
            Step::Done(_) => {}
        }
    }
    assert!(guarded > 50 && read > 500, "{guarded} {read}");
}

#[test]
fn everything_is_read_after_the_wait_for_a_slot_object_first_and_before_anything_is_written() {
    for observed in many_states() {
        let is_new = observed.secret.is_none() && StatusView::of(&observed.object).token.is_none();
        let mut world = World::of(observed);
        world.pass();
        let position = |wanted: fn(&&Request) -> bool| world.requests.iter().position(|request| wanted(&request));
        let first = position(|request| {
            !matches!(
                request,
                Request::AcquireSlot { .. }
                    | Request::ReadObject
                    | Request::ReadSecret
                    | Request::WriteStatus(_)
                    | Request::RequeueIssuer
            )
        });
        let Some(first) = first else { continue };
        let room = position(|request| matches!(request, Request::AcquireSlot { .. }));
        let object = position(|request| matches!(request, Request::ReadObject));
        let secret = position(|request| matches!(request, Request::ReadSecret));
        // The Secret of a first token is checked by its creation.
        let creates = matches!(world.requests.get(first), Some(Request::WriteSecret(SecretWrite::Reserve(_))));
        let is_read = object < secret && secret.is_some_and(|secret| secret < first);
        assert!(object.is_some_and(|object| object < first), "{:?}", world.labels);
        assert!(is_read || creates && is_new, "{:?}", world.labels);
        let token = position(|request| matches!(request, Request::RequestToken { .. }));
        assert!(token.is_none() || room.is_some() && room < token, "{:?}", world.labels);
    }
}

#[test]
fn every_pass_ends_whatever_it_starts_from() {
    for observed in many_states() {
        let mut world = World::of(observed);
        world.pass();
        assert!(world.labels.len() < 60, "{:?}", world.labels);
        let tokens = world.labels.iter().filter(|word| *word == "token").count();
        assert!(tokens <= 1, "one attempt a pass: {:?}", world.labels);
    }
}

#[test]
fn a_token_counts_as_lost_only_when_the_secret_is_read_after_the_object() {
    let mut world = World::of(at_rest());
    let stale = at_rest_with(|observed| observed.secret = None);
    assert_eq!(world.pass_from_cache(stale), PassResult::Idle);
    assert_eq!(world.labels, ["slot", "read object", "read secret"], "the cache was behind");
    let mut emptied = World::of(at_rest());
    assert_eq!(emptied.pass_from_cache(at_rest_with_secret(|secret| secret.stored = None)), PassResult::Idle);
    assert!(!emptied.labels.contains(&"reserve".to_owned()));
}

#[test]
fn a_stale_object_beside_a_fresh_secret_replaces_nothing() {
    let mut stale = at_rest();
    stale.object.status = None;
    let mut world = World::of(at_rest());
    assert_eq!(world.pass_from_cache(stale), PassResult::Idle);
    assert_eq!(world.labels, ["read object", "read secret"]);
}

#[test]
fn an_object_that_is_deleted_in_the_meantime_gets_no_token() {
    let mut deleted = World::of(new_object()).on("read object", Response::Object(None));
    assert_eq!((deleted.pass(), deleted.labels), (PassResult::Idle, ["slot", "read object"].map(String::from).into()));
    let mut going = World::of(new_object()).meanwhile("read object", |world| world.observed.object.deleting = true);
    assert_eq!(going.pass(), PassResult::Idle);
    assert_eq!(going.labels, ["slot", "read object", "read secret", "remove finalizer"]);
}

#[test]
fn a_secret_that_lost_its_label_does_not_count_as_lost() {
    for issuer in [IssuerState::Ready(crate::domain::test_support::issuer_info()), not_ready(), IssuerState::Missing] {
        let truth =
            Observed { issuer: issuer.clone(), ..at_rest_with_secret(|secret| secret.owned_and_labeled = false) };
        let mut world = World::of(truth);
        world.pass_from_cache(Observed { secret: None, issuer, ..at_rest() });
        assert!(StatusView::of(&world.observed.object).ready, "{:?}", world.labels);
        assert!(!world.labels.contains(&"reserve".to_owned()), "{:?}", world.labels);
    }
}

#[test]
fn an_issuer_that_is_not_ready_costs_objects_without_a_token_no_read() {
    let mut world = World::of(Observed { issuer: not_ready(), ..new_object() });
    assert!(matches!(world.pass(), PassResult::Failed(problem) if problem.reason == Reason::IssuerNotReady));
    assert_eq!(world.labels, ["status"]);
    let mut again = World::of(world.observed);
    assert!(matches!(again.pass(), PassResult::Failed(_)));
    assert!(again.labels.is_empty(), "it is reported once");
}

#[test]
fn a_pass_that_is_never_idle_is_requeued() {
    let mut world = World::of(at_rest_with_secret(|secret| secret.resource_version = "6".into()));
    // Another writer changes the Secret each time its version is recorded.
    for _ in 0..20 {
        world = world.meanwhile("read content", |world| {
            let secret = world.observed.secret.as_mut().expect("a Secret");
            secret.resource_version += "1";
            secret.owned_and_labeled = false;
            world.content = SecretContent::Login {
                username: "tw-17".into(),
                registries_match: true,
                checksum_valid: true,
                template_applied: true,
            };
        });
    }
    let (mut pass, mut next) = Pass::begin(world.observed.clone());
    let mut rounds = 0;
    let end = loop {
        match next {
            Step::Done(end) => break end,
            Step::Perform(request) => {
                rounds += usize::from(request == Request::ReadContent);
                // The status never contains what was written.
                let response = match request {
                    Request::WriteStatus(_) | Request::ReadObject => {
                        Response::Object(Some(Box::new(world.observed.object.clone())))
                    }
                    Request::ReadContent => {
                        let content = SecretContent::Login {
                            username: "tw-17".into(),
                            registries_match: true,
                            checksum_valid: true,
                            template_applied: true,
                        };
                        Response::Content(world.observed.secret.clone().map(|meta| Box::new((meta, content))))
                    }
                    _ => Response::Secret(world.observed.secret.clone().map(Box::new)),
                };
                (pass, next) = pass.step(response, at(3600));
            }
        }
    };
    assert_eq!(end, PassResult::RequeueSoon);
    assert!((2..=usize::from(MAX_ACTIONS)).contains(&rounds), "{rounds}");
}
