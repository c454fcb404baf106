use super::*;
use crate::api::Reason;
use crate::domain::cause::{Cause, Errand};
use crate::domain::effect::Row;
use crate::domain::observed::LoginMode;
use crate::domain::testing::{
    World, asked, at_rest, attempt, but, fault, former, mark, not_ready, of_issuer, row, secret, stored, tell, token,
};

/// The Secret stores a token that status does not name; the portal shows it as it was requested.
pub(super) fn unnamed() -> World {
    World::of(but(|seen| seen.object.status = None)).listing(&[row("17", &mark(&former()).mark("prod"))])
}

/// The same where our user does not see the list.
pub(super) fn hidden(login: LoginMode) -> World {
    let mut world = unnamed();
    of_issuer(&mut world.seen, |facts| (facts.list_visible, facts.login) = (false, login));
    world.content = crate::domain::testing::login("tw-17");
    world
}

/// The same without the operator's MAC.
pub(super) fn unsealed(mut world: World) -> World {
    let held = world.seen.secret.as_mut().and_then(|held| held.stored.as_mut()).expect("a token");
    held.seal.mac = crate::domain::testing::mac("16", crate::domain::token_mac::Role::Stored);
    world
}

pub(super) fn run(world: &mut World) -> Outcome {
    let begun = begin(&world.seen);
    world.run(begun, Adopting::step)
}

/// What was done instead of taking it in.
pub(super) fn disowned(mut world: World) -> Vec<String> {
    assert_eq!(run(&mut world), Outcome::Again);
    assert_eq!((recorded(&world.seen.object).token, world.statuses().count()), (None, 0));
    assert_eq!(world.seen.secret.expect("a Secret").stored, None);
    world.asked
}

#[test]
fn a_token_is_taken_in_after_reading_secret_row_object_and_secret_in_this_order() {
    let mut world = unnamed();
    assert_eq!(run(&mut world), Outcome::Again);
    assert_eq!(world.asked, ["read secret", "find 17", "read object", "read secret", "status"]);
    let known = recorded(&world.seen.object);
    let token = known.token.clone().expect("a token");
    assert_eq!((token.id.as_str(), token.username.as_str()), ("17", "tw-17"));
    assert_eq!(token.nonce, mark(&former()).nonce().to_string());
    assert_eq!((known.secret_version, known.ready), (None, false), "it is read in full, and checked, next");
}

#[test]
fn what_the_attempt_was_for_is_marked_as_done_and_its_predecessor_retires() {
    let mut world = unnamed();
    world.seen.object.status = None;
    tell(&mut world.seen, stored("16", Cause::First));
    let handles = asked(&[("replace", "1")]);
    let held = world.seen.secret.as_mut().and_then(|held| held.stored.as_mut()).expect("a token");
    held.errand = Errand { cause: Cause::Replace, handles: handles.clone() };
    assert_eq!(run(&mut world), Outcome::Again);
    let known = recorded(&world.seen.object);
    assert_eq!((known.handled.clone(), known.retires("16")), (handles, true));
    assert_eq!(known.retiring[0].revocation_time.0, world.seen.now, "as for any compromised token");
}

#[test]
fn a_forged_or_copied_attempt_fits_nobodys_token() {
    let of_another_object = crate::domain::marker::Marker::new(
        crate::domain::testing::tag(),
        crate::domain::marker::Nonce::of("another-uid", &former()),
    );
    let rows: [Vec<Row>; 4] = [
        vec![row("17", "prod")],
        vec![row("17", &of_another_object.mark("prod"))],
        vec![row("17", &mark(&attempt(9)).mark("prod"))],
        vec![row("12", &mark(&former()).mark("prod"))],
    ];
    for rows in rows {
        // A portal may give more than was asked for.
        let world = unsealed(unnamed()).on("find 17", Answer::Rows(rows.clone()));
        assert_eq!(disowned(world), ["read secret", "find 17", "read object", "disown"], "{rows:?}");
    }
}

#[test]
fn a_row_that_is_missing_proves_nothing_while_the_registry_lets_the_token_in() {
    for verdict in [Verdict::Accepted, Verdict::Unknown("down".into())] {
        let mut world = unnamed().listing(&[]).saying(verdict);
        let Outcome::WaitFor(AGAIN, told) = run(&mut world) else { panic!("{:?}", world.asked) };
        assert_eq!(told.reason, Reason::TokenNotListed);
        assert_eq!(world.asked, ["read secret", "find 17", "log in"], "nothing is written");
    }
    let refused = ["read secret", "find 17", "log in", "read object", "disown"];
    assert_eq!(disowned(unnamed().listing(&[]).saying(Verdict::Refused("no".into()))), refused);
    let mut unasked = unnamed().listing(&[]);
    of_issuer(&mut unasked.seen, |facts| facts.login = LoginMode::Disabled);
    assert_eq!(disowned(unasked), ["read secret", "find 17", "read object", "disown"]);
}

#[test]
fn a_token_that_another_operator_has_just_named_is_not_foreign() {
    let settled = || unnamed().listing(&[row("17", "prod")]);
    let mut current = settled().meanwhile("read object", |world| tell(&mut world.seen, stored("17", Cause::First)));
    assert_eq!(run(&mut current), Outcome::Again);
    assert_eq!(current.asked, ["read secret", "find 17", "read object"], "nothing is written");
    let mut retired = settled().meanwhile("read object", |world| {
        world.seen.object.status = at_rest().object.status;
        tell(&mut world.seen, stored("18", Cause::Rotate));
    });
    assert_eq!(run(&mut retired), Outcome::Again);
    assert_eq!(retired.asked.len(), 3);
}

#[test]
fn a_secret_that_changed_is_looked_at_anew() {
    let changed = |change: fn(&mut crate::domain::pull_secret::SecretMeta)| {
        let mut world = unnamed().meanwhile("read secret", move |world| {
            world.seen.secret.as_mut().map(change).expect("a Secret");
        });
        (run(&mut world), world.asked.len())
    };
    assert_eq!(changed(|held| held.stored = None), (Outcome::LookAgain, 1));
    let other = |held: &mut crate::domain::pull_secret::SecretMeta| {
        held.stored.as_mut().expect("a token").attempt = attempt(8);
    };
    assert_eq!(changed(other), (Outcome::LookAgain, 1));
    let mut gone = unnamed().meanwhile("read secret", |world| world.seen.secret = None);
    assert_eq!(run(&mut gone), Outcome::LookAgain);
    assert_eq!(begin(&but(|seen| seen.secret = None)), Flow::End(Outcome::Again));
}

#[test]
fn a_failure_concludes_nothing() {
    let why = fault(Reason::Unreachable);
    let mut world = unnamed().on("find 17", Answer::NotSent(why.clone()));
    assert_eq!(run(&mut world), Outcome::Failed(why));
    for word in ["read secret", "read object"] {
        let mut world = unnamed().on(word, Answer::Unclear("no answer".into()));
        assert!(matches!(run(&mut world), Outcome::Failed(_)));
        assert_eq!((world.asked.last().map(String::as_str), world.seen.secret), (Some(word), Some(secret())));
    }
    for word in ["status", "disown"] {
        let rows = if word == "status" { unnamed().rows } else { vec![row("17", "settled")] };
        let mut world = unsealed(unnamed()).listing(&rows).on(word, Answer::Conflict);
        assert_eq!(run(&mut world), Outcome::LookAgain);
        assert_eq!(world.asked.last().map(String::as_str), Some(word));
    }
    let mut gone = unnamed().meanwhile("read object", |world| world.seen.issuer = not_ready());
    assert_eq!(run(&mut gone), Outcome::LookAgain);
}

pub(super) const MODES: [LoginMode; 3] = [LoginMode::Required, LoginMode::BestEffort, LoginMode::Disabled];
const BELIEVED: [&str; 5] = ["read secret", "read content", "read object", "read secret", "status"];
pub(super) const DISBELIEVED: [&str; 4] = ["read secret", "read content", "read object", "disown"];

/// The Secret says that its token was asked for so much later than that of status, and what it followed.
fn noted(mut world: World, later: i64, former: Option<&str>) -> World {
    let named = recorded(&world.seen.object).token.expect("a token").request_time.0;
    let held = world.seen.secret.as_mut().and_then(|held| held.stored.as_mut()).expect("a token");
    held.origin.asked = named.as_second() + later;
    held.origin.after = former.map(str::to_owned);
    world
}

#[test]
fn where_the_list_is_hidden_what_the_operator_wrote_is_believed_and_no_registry_asked() {
    for mode in MODES {
        // One that lags would have it given up.
        let mut world = hidden(mode).saying(Verdict::Refused("no".into()));
        assert_eq!(run(&mut world), Outcome::Again);
        assert_eq!(world.asked, BELIEVED);
        let known = recorded(&world.seen.object);
        assert!(!known.verified && !known.ready && known.token.is_some_and(|known| known.username == "tw-17"));
    }
}

#[test]
fn where_the_list_is_hidden_a_copy_and_a_forged_id_are_not_believed() {
    for mode in MODES {
        for content in [
            Content::Nothing,
            Content::Login { username: "tw-17".to_owned(), registries: true, intact: false, dressed: true },
        ] {
            let mut world = hidden(mode);
            world.content = content;
            assert_eq!(disowned(world), DISBELIEVED);
        }
    }
}

#[test]
fn where_the_list_is_hidden_a_secret_restored_to_a_former_token_is_not_believed() {
    let hidden = || {
        let mut world = hidden(LoginMode::Required);
        tell(&mut world.seen, stored("16", Cause::First));
        world
    };
    // Whoever committed it saw this one in status, or another that was named meanwhile.
    for mut next in [noted(hidden(), 0, Some("16")), noted(hidden(), 1, None), noted(hidden(), 1, Some("15"))] {
        assert_eq!(run(&mut next), Outcome::Again);
        assert_eq!(
            (next.asked.clone(), recorded(&next.seen.object).retires("16")),
            (BELIEVED.map(str::to_owned).to_vec(), true)
        );
    }
    for mut former in [noted(hidden(), 0, Some("15")), noted(hidden(), 0, None), noted(hidden(), -60, None)] {
        assert_eq!(run(&mut former), Outcome::Again);
        assert_eq!(former.asked, DISBELIEVED);
        assert_eq!(recorded(&former.seen.object).token.map(|token| token.id), Some("16".to_owned()));
    }
}

#[test]
fn a_token_of_another_portal_is_left_alone_and_said() {
    let moved = |mut world: World| {
        of_issuer(&mut world.seen, |facts| facts.portal.url = "https://elsewhere".into());
        world
    };
    for mut world in [moved(unnamed()), moved(hidden(LoginMode::Required))] {
        let outcome = run(&mut world);
        assert!(matches!(&outcome, Outcome::Failed(fault) if fault.reason == Reason::PortalChanged), "{outcome:?}");
        assert_eq!(world.asked, ["read secret"]);
        let mut restored = moved(hidden(LoginMode::Required));
        tell(&mut restored.seen, stored("16", Cause::First));
        assert_eq!(run(&mut restored), Outcome::Again);
        assert_eq!(restored.asked, ["read secret", "read object", "disown"], "status names a token of this one");
    }
}

#[test]
fn a_token_that_another_operator_has_replaced_meanwhile_is_not_taken_for_the_newer_one() {
    // Named, rotated away and revoked between two of our reads.
    let replaced = |world: &mut World| {
        world.seen.object.status = at_rest().object.status;
        tell(&mut world.seen, stored("18", Cause::Replace));
        let known = Fact::Revoked(vec![Named::from(&token("17"))]);
        tell(&mut world.seen, known);
    };
    let newer = |world: &mut World| {
        let held = world.seen.secret.as_mut().and_then(|held| held.stored.as_mut()).expect("a token");
        (held.id, held.attempt) = ("18".into(), attempt(8));
    };
    let mut world = unnamed().meanwhile("read object", move |world| {
        replaced(world);
        newer(world);
    });
    assert_eq!(run(&mut world), Outcome::LookAgain);
    assert_eq!((world.asked.last().map(String::as_str), world.statuses().count()), (Some("read secret"), 0));
}
