use super::*;
use crate::api::Reason;
use crate::domain::effect::{Content, Verdict};
use crate::domain::inventory::digest;
use crate::domain::object::Object;
use crate::domain::observed::{IssuerView, Listed, LoginMode};
use crate::domain::pull_secret::Ownership;
use crate::domain::recorded::recorded;
use crate::domain::testing::{
    World, asked, at, at_rest, but, but_secret, empty_secret, every, fault, new, not_ready, of_issuer, reserved,
    retiring, row, tell,
};

fn done(mut world: World) -> (Vec<String>, End) {
    let end = world.pass();
    (world.asked, end)
}

#[test]
fn an_object_at_rest_costs_no_request_at_all() {
    assert_eq!(done(World::of(at_rest())), (vec![], End::Rest));
    let rotating = but(|seen| {
        seen.object.rotation = Some(every(100, 15));
        tell(seen, Fact::DescriptionSynced);
    });
    let (asked, end) = done(World::of(rotating));
    assert!(asked.is_empty() && matches!(end, End::RestFor(_)), "{asked:?} {end:?}");
}

#[test]
fn a_new_object_comes_to_rest_in_one_pass() {
    let mut seen = new();
    seen.object.finalizer = false;
    let mut world = World::of(seen);
    assert_eq!(world.pass(), End::Rest);
    let order = [
        "room",
        "hold object",
        "reserve",
        "read issuer",
        "token",
        "commit 18",
        "log in",
        "status",
        "edit 18",
        "status",
    ];
    assert_eq!(world.asked, order);
    assert!(recorded(&world.seen.object).ready);
    assert_eq!(world.rows, [row("18", "prod")]);
    let mut again = World::of(world.seen);
    assert_eq!((again.pass(), again.asked.len()), (End::Rest, 0));
}

#[test]
fn a_rotation_holds_up_nobody_who_has_no_token() {
    let mut rotate = but(|seen| seen.object.asked = asked(&[("rotate", "1")]));
    rotate.object.rotation = Some(every(100, 15));
    let mut world = World::of(rotate);
    assert!(matches!(world.pass(), End::RestFor(_)), "until the overlap ends");
    assert_eq!(world.asked[0], "room, no hurry");
    let known = recorded(&world.seen.object);
    assert_eq!((known.handled.clone(), known.retires("17"), known.ready), (asked(&[("rotate", "1")]), true, true));
    let lost = World::of(but(|seen| seen.secret = None));
    assert_eq!(done(lost).0[0], "room");
}

/// Objects of every kind, as a cache may hold them.
fn many() -> Vec<Observed> {
    let facts: [fn(&mut crate::domain::observed::IssuerFacts); 5] = [
        |_| {},
        |facts| facts.list_visible = false,
        |facts| facts.login = LoginMode::Disabled,
        |facts| facts.deleting = true,
        |facts| facts.portal.url = "https://q".into(),
    ];
    let secrets = [
        None,
        at_rest().secret,
        Some(empty_secret()),
        but_secret(|held| held.closed = true).secret,
        but_secret(|held| held.reservation = reserved(9, "me")).secret,
        but_secret(|held| held.tied = false).secret,
        but_secret(|held| held.ownership = Ownership::Foreign).secret,
        but_secret(|held| held.stored.as_mut().expect("a token").id = "16".into()).secret,
    ];
    let statuses: [fn(&mut Observed); 6] = [
        |_| {},
        |seen| seen.object.status = None,
        |seen| tell(seen, Fact::Retiring(retiring("12", at(0)))),
        |seen| tell(seen, Fact::LoggedIn(Verdict::Refused("no".into()))),
        |seen| tell(seen, Fact::DescriptionNotSynced(Reason::EditPending, String::new())),
        |seen| tell(seen, Fact::RevokedUpstream { fault: fault(Reason::RevokedUpstream), again: false }),
    ];
    let objects: [fn(&mut Object); 6] = [
        |_| {},
        |object| object.deleting = true,
        |object| (object.deleting, object.revoke) = (true, false),
        |object| object.asked = asked(&[("replace", "1")]),
        |object| object.suspended = true,
        |object| object.reissue = false,
    ];
    let listed = [Listed::Unknown, Listed::Missing(at(3000)), Listed::Shown(digest("x"))];
    let mut all = vec![];
    for fact in facts {
        for secret in &secrets {
            for status in statuses {
                for object in objects {
                    for listed in listed {
                        let mut seen = Observed { secret: secret.clone(), listed, ..at_rest() };
                        of_issuer(&mut seen, fact);
                        status(&mut seen);
                        object(&mut seen.object);
                        all.push(seen);
                    }
                }
            }
        }
    }
    for issuer in [IssuerView::Missing, not_ready(), IssuerView::Unknown] {
        let others: Vec<_> = all
            .iter()
            .filter(|seen| seen.facts() == at_rest().facts())
            .map(|seen| Observed { issuer: issuer.clone(), ..seen.clone() })
            .collect();
        all.extend(others);
    }
    all
}

#[test]
fn what_a_cache_holds_starts_nothing_that_is_not_guarded() {
    let (mut guarded, mut read) = (0, 0);
    for seen in many() {
        match Pass::begin(seen.clone()).1 {
            Next::Do(Request::ReadObject | Request::Room { .. }) => read += 1,
            Next::Do(Request::Status(_) | Request::WakeIssuer | Request::Finalizer(true)) => guarded += 1,
            Next::Do(request) => panic!("{request:?} upon {seen:?}"),
            Next::End(_) => {}
        }
    }
    assert!(guarded > 50 && read > 500, "{guarded} {read}");
}

#[test]
fn everything_is_read_after_the_wait_for_room_object_first_and_before_anything_is_written() {
    for seen in many() {
        let mut world = World::of(seen);
        world.pass();
        let position = |wanted: fn(&&Request) -> bool| world.requests.iter().position(|request| wanted(&request));
        let first = position(|request| {
            !matches!(
                request,
                Request::Room { .. }
                    | Request::ReadObject
                    | Request::ReadSecret
                    | Request::Status(_)
                    | Request::WakeIssuer
            )
        });
        let Some(first) = first else { continue };
        let room = position(|request| matches!(request, Request::Room { .. }));
        let object = position(|request| matches!(request, Request::ReadObject));
        let secret = position(|request| matches!(request, Request::ReadSecret));
        assert!(
            object.is_some() && object < secret && secret.is_some_and(|secret| secret < first),
            "{:?}",
            world.asked
        );
        let token = position(|request| matches!(request, Request::Token { .. }));
        assert!(token.is_none() || room.is_some() && room < token, "{:?}", world.asked);
    }
}

#[test]
fn every_pass_ends_whatever_it_starts_from() {
    for seen in many() {
        let mut world = World::of(seen);
        world.pass();
        assert!(world.asked.len() < 60, "{:?}", world.asked);
        let tokens = world.asked.iter().filter(|word| *word == "token").count();
        assert!(tokens <= 1, "one attempt a pass: {:?}", world.asked);
    }
}

#[test]
fn a_token_counts_as_lost_only_when_the_secret_is_read_after_the_object() {
    let mut world = World::of(at_rest());
    let stale = but(|seen| seen.secret = None);
    assert_eq!(world.pass_upon(stale), End::Rest);
    assert_eq!(world.asked, ["room", "read object", "read secret"], "the cache was behind");
    let mut emptied = World::of(at_rest());
    assert_eq!(emptied.pass_upon(but_secret(|held| held.stored = None)), End::Rest);
    assert!(!emptied.asked.contains(&"reserve".to_owned()));
}

#[test]
fn a_stale_object_beside_a_fresh_secret_replaces_nothing() {
    let mut stale = at_rest();
    stale.object.status = None;
    let mut world = World::of(at_rest());
    assert_eq!(world.pass_upon(stale), End::Rest);
    assert_eq!(world.asked, ["read object", "read secret"]);
}

#[test]
fn an_object_that_goes_meanwhile_gets_no_token() {
    let mut gone = World::of(new()).on("read object", Answer::Object(None));
    assert_eq!((gone.pass(), gone.asked), (End::Rest, ["room", "read object"].map(String::from).into()));
    let mut going = World::of(new()).meanwhile("read object", |world| world.seen.object.deleting = true);
    assert_eq!(going.pass(), End::Rest);
    assert_eq!(going.asked, ["room", "read object", "read secret", "release object"]);
}

#[test]
fn a_secret_that_lost_its_label_is_not_taken_for_a_lost_one() {
    for issuer in [IssuerView::Ready(crate::domain::testing::facts()), not_ready(), IssuerView::Missing] {
        let truth = Observed { issuer: issuer.clone(), ..but_secret(|held| held.tied = false) };
        let mut world = World::of(truth);
        world.pass_upon(Observed { secret: None, issuer, ..at_rest() });
        assert!(recorded(&world.seen.object).ready, "{:?}", world.asked);
        assert!(!world.asked.contains(&"reserve".to_owned()), "{:?}", world.asked);
    }
}

#[test]
fn an_issuer_that_is_not_ready_costs_objects_without_a_token_no_read() {
    let mut world = World::of(Observed { issuer: not_ready(), ..new() });
    assert!(matches!(world.pass(), End::Failed(fault) if fault.reason == Reason::IssuerNotReady));
    assert_eq!(world.asked, ["status"]);
    let mut again = World::of(world.seen);
    assert!(matches!(again.pass(), End::Failed(_)));
    assert!(again.asked.is_empty(), "it is said once");
}

#[test]
fn a_pass_that_never_comes_to_rest_goes_on_later() {
    let mut world = World::of(but_secret(|held| held.resource_version = "6".into()));
    // Somebody writes to the Secret after every note of its version.
    for _ in 0..20 {
        world = world.meanwhile("read content", |world| {
            let held = world.seen.secret.as_mut().expect("a Secret");
            held.resource_version += "1";
            held.tied = false;
            world.content = Content::Login { username: "tw-17".into(), registries: true, intact: true, dressed: true };
        });
    }
    let (mut pass, mut next) = Pass::begin(world.seen.clone());
    let mut rounds = 0;
    let end = loop {
        match next {
            Next::End(end) => break end,
            Next::Do(request) => {
                rounds += usize::from(request == Request::ReadContent);
                // The status never shows what was written.
                let answer = match request {
                    Request::Status(_) | Request::ReadObject => {
                        Answer::Object(Some(Box::new(world.seen.object.clone())))
                    }
                    Request::ReadContent => {
                        let content =
                            Content::Login { username: "tw-17".into(), registries: true, intact: true, dressed: true };
                        Answer::Content(world.seen.secret.clone().map(|meta| Box::new((meta, content))))
                    }
                    _ => Answer::Secret(world.seen.secret.clone().map(Box::new)),
                };
                (pass, next) = pass.step(answer, at(3600));
            }
        }
    };
    assert_eq!(end, End::Retry);
    assert!((2..=usize::from(ROUNDS)).contains(&rounds), "{rounds}");
}
