//! The simulation knows the owner of a token by its marker, which an imported token lacks. So imports are tested here with a
//! process that dies after each request, and not there.

use super::*;
use crate::api::{LoginCheck, Reason};
use crate::domain::decide::{Action, decide};
use crate::domain::model::foreign_login::UnusableLogin;
use crate::domain::model::pull_secret::SecretMeta;
use crate::domain::model::status_view::StatusView;
use crate::domain::pass::{Pass, PassResult, Step};
use crate::domain::protocol::SecretContent;
use crate::domain::status::ready_condition;
use crate::domain::test_support::{
    World, annotations, at, at_rest, change_issuer, empty_secret, first_attempt, label, login_content, marker,
    new_object, problem, row, secret,
};

/// A Secret that a person made and handed over: the operator has written nothing yet.
fn handed_over() -> SecretMeta {
    SecretMeta {
        has_controller: false,
        owned_and_labeled: false,
        is_own: false,
        handed_over: true,
        registries_hash: None,
        ..empty_secret()
    }
}

/// A new object that imports the token 17, which a person requested.
fn new_import() -> World {
    let mut observed = new_object();
    observed.object.import = Some("17".to_owned());
    observed.secret = Some(handed_over());
    let mut world = World::of(observed).listing(&[row("16", "of a colleague"), row("17", "by hand")]);
    world.content = login_content("tw-17");
    world
}

/// The message with which an import ends that cannot be done; nothing was written but the status.
fn refused(mut world: World) -> String {
    let end = world.pass();
    assert_eq!(end, PassResult::RequeueAfter(RETRY_AFTER), "{:?}", world.labels);
    let writes = ["reserve", "token", "clear token"];
    let written = world.labels.iter().any(|word| {
        writes.contains(&word.as_str())
            || ["import", "commit", "revoke", "edit"].iter().any(|verb| word.starts_with(&format!("{verb} ")))
    });
    assert!(!written, "{:?}", world.labels);
    let (value, reason, message) = ready_condition(world.observed.object.status.as_ref()).expect("reported");
    assert_eq!((value, reason), ("False", "ImportFailed"));
    message.to_owned()
}

#[test]
fn a_token_that_a_person_requested_becomes_the_objects_own_without_a_request() {
    let mut world = new_import();
    assert_eq!(world.pass(), PassResult::Idle, "{:?}", world.labels);
    let position = |word: &str| world.labels.iter().position(|one| one == word);
    assert!(position("log in as imported") < position("claim 17") && position("claim 17") < position("import 17"));
    assert!(!world.labels.iter().any(|word| word == "token" || word == "reserve"), "{:?}", world.labels);
    let status = StatusView::of(&world.observed.object);
    assert_eq!(status.token.expect("a token").id, "17");
    assert!(status.ready);
    assert_eq!(world.rows[1].description, "prod", "from now on it is that of the spec");
    assert_eq!(world.rows[0].description, "of a colleague");
    let before = world.labels.len();
    assert_eq!(world.pass(), PassResult::Idle);
    assert_eq!(world.labels.len(), before, "at rest nothing is done");
}

#[test]
fn an_imported_token_expires_when_its_row_says_so() {
    let mut world = new_import();
    let expires = at(30 * 24 * 3600);
    world.rows[1].expiration_time = Some(expires);
    assert!(matches!(world.pass(), PassResult::IdleFor(_)), "{:?}", world.labels);
    let status = StatusView::of(&world.observed.object);
    assert_eq!(status.token.and_then(|token| token.expiration_time).map(|time| time.0), Some(expires));
    assert!(status.next_rotation.is_some_and(|time| time < expires));
}

#[test]
fn a_process_that_dies_after_any_request_continues_and_requests_no_token() {
    for dies_after in 1..60 {
        let mut world = new_import();
        let (mut pass, mut next) = Pass::begin(world.observed.clone());
        let mut done = false;
        for _ in 0..dies_after {
            let Step::Perform(request) = next else {
                done = true;
                break;
            };
            let response = world.respond(request);
            (pass, next) = pass.step(response, world.observed.now);
        }
        let _ = pass;
        assert_eq!(world.pass(), PassResult::Idle, "after {dies_after}: {:?}", world.labels);
        assert_eq!(StatusView::of(&world.observed.object).token.expect("a token").id, "17");
        assert!(!world.labels.iter().any(|word| word == "token"), "after {dies_after}: {:?}", world.labels);
        assert_eq!(world.rows.len(), 2);
        if done {
            return;
        }
    }
    panic!("the import never ended");
}

#[test]
fn what_does_not_prove_the_token_is_refused_with_what_to_do_and_no_token_is_requested() {
    let with = |change: fn(&mut World)| {
        let mut world = new_import();
        change(&mut world);
        refused(world)
    };
    let has = |message: String, part: &str| assert!(message.contains(part), "{message}");
    has(with(|world| world.observed.secret = None), "there is no Secret of this name");
    has(
        with(|world| world.observed.secret.as_mut().expect("one").ownership = Ownership::Foreign),
        "annotate it with registry-token.dev/adopt=true",
    );
    has(with(|world| world.content = SecretContent::WrongType), "not of type kubernetes.io/dockerconfigjson");
    has(with(|world| world.content = SecretContent::Empty), "does not contain a login");
    has(
        with(|world| {
            world.rows.push(TokenRow {
                token: TokenRef { id: "18".to_owned(), username: "tw-17".to_owned() },
                ..row("18", "")
            });
        }),
        "exactly one token",
    );
    has(with(|world| world.rows[1].token.username.push(' ')), "no token with this id and the username");
    has(with(|world| world.content = SecretContent::Immutable { username: None }), "immutable");
    has(with(|world| world.content = login_content("tw-16")), "no token with this id and the username");
    has(with(|world| world.observed.object.import = Some("18".to_owned())), "no token with this id and the username");
    has(with(|world| world.observed.object.import = Some(String::new())), "the annotation is empty");
    has(with(|world| world.rows.clear()), "no token with this id and the username");
    has(
        with(|world| world.rows[1].description = marker(&first_attempt()).append_to("prod")),
        "for another RegistryToken",
    );
    has(
        with(|world| world.login_result = LoginResult::Rejected("401".into())),
        "rejects the login in the Secret (401)",
    );
    has(
        with(|world| *world = new_import().on("try random password", Response::Login(LoginResult::Accepted))),
        "does not verify logins",
    );
    has(
        with(|world| change_issuer(&mut world.observed, |issuer| issuer.login_check = LoginCheck::Disabled)),
        "verifies no logins",
    );
    has(with(|world| change_issuer(&mut world.observed, |issuer| issuer.list_visible = false)), "may not list tokens");
    has(with(|world| change_issuer(&mut world.observed, |issuer| issuer.login_shared = true)), "the same username");
    has(refused(new_import().on("claim 17", Response::Conflict)), "another RegistryToken has this token");
    let other = UnusableLogin::OtherRegistries(vec!["docker.io".to_owned()]);
    let content = Response::Import(Some(Box::new((handed_over(), ImportContent::Unusable(other)))));
    has(refused(new_import().on("read import", content)), "docker.io");
    // It does not say which username another id has.
    assert!(!with(|world| world.observed.object.import = Some("16".to_owned())).contains("tw-16"));
}

#[test]
fn what_may_pass_is_tried_again_and_reported_as_it_is() {
    let mut world = new_import().with_login_result(LoginResult::Unknown("down".into()));
    assert_eq!(world.pass(), PassResult::RequeueAfter(RETRY_AFTER));
    let (_, reason, _) = ready_condition(world.observed.object.status.as_ref()).expect("reported");
    assert_eq!(reason, "RegistryUnavailable");
    world = world.on("try random password", Response::Login(LoginResult::Unknown("down".into())));
    world.login_result = LoginResult::Accepted;
    assert_eq!(world.pass(), PassResult::RequeueAfter(RETRY_AFTER));
    world.login_result = LoginResult::Accepted;
    assert_eq!(world.pass(), PassResult::Idle);

    let denied = Response::IssuerDenied(problem(Reason::NamespaceNotAllowed));
    let mut world = new_import().on("read issuer", denied);
    world.pass();
    assert!(
        !world.labels.iter().any(|word| word == "read import" || word == "log in as imported"),
        "{:?}",
        world.labels
    );
    let (_, reason, _) = ready_condition(world.observed.object.status.as_ref()).expect("reported");
    assert_eq!(reason, "NamespaceNotAllowed");
}

#[test]
fn a_secret_that_changes_meanwhile_is_read_again() {
    for word in ["log in as imported", "import 17"] {
        let mut world = new_import().on(word, Response::Conflict);
        assert_eq!(world.pass(), PassResult::RequeueSoon, "{word}");
        assert_eq!(world.pass(), PassResult::Idle, "{:?}", world.labels);
    }
}

#[test]
fn a_write_without_a_response_is_adopted_if_it_was_done() {
    let mut world = new_import().on("import 17", Response::OutcomeUnknown("lost".to_owned()));
    assert!(matches!(world.pass(), PassResult::Failed(_)));
    assert_eq!(world.pass(), PassResult::Idle);
    assert_eq!(StatusView::of(&world.observed.object).token.expect("a token").id, "17");
}

#[test]
fn only_an_object_that_never_had_a_token_imports_one() {
    let mut observed = at_rest();
    observed.object.import = Some("18".to_owned());
    assert_eq!(decide(&observed), Action::Idle);
    observed.secret = Some(empty_secret());
    assert!(matches!(decide(&observed), Action::RequestToken(_)), "a lost token is replaced as always");

    let mut observed = new_import().observed;
    observed.object.suspended = true;
    assert!(matches!(decide(&observed), Action::Report(problem) if problem.reason == Reason::Suspended));
    observed.object.suspended = false;
    observed.object.import = None;
    assert!(matches!(decide(&observed), Action::RequestToken(_)), "the content is then replaced");
    observed.object.import = Some("17".to_owned());
    observed.secret = Some(SecretMeta { handed_over: false, ..handed_over() });
    assert!(matches!(decide(&observed), Action::RequestToken(_)), "a restored copy gets a token of its own");
    observed.object.import = Some("17".to_owned());
    observed.secret = Some(secret());
    assert_eq!(decide(&observed), Action::Adopt, "it is stored already");
    observed.object.deleting = true;
    observed.secret = Some(handed_over());
    assert_eq!(decide(&observed), Action::Finalize);
}

#[test]
fn each_request_of_an_import_has_its_place() {
    let mut world = new_import();
    let begun = begin("17".to_owned(), RequestCause::default());
    assert_eq!(world.run(begun), Outcome::Redecide);
    let words: Vec<String> = world.requests.iter().map(label).collect();
    assert_eq!(
        words,
        [
            "read secret",
            "read issuer",
            "read import",
            "log in as imported",
            "try random password",
            "find 17",
            "find user tw-17",
            "claim 17",
            "read object",
            "import 17"
        ]
    );
}

#[test]
fn nothing_of_the_portal_is_looked_up_before_the_login_proves_the_token() {
    let rejected = Response::Login(LoginResult::Rejected("401".into()));
    let accepted = Response::Login(LoginResult::Accepted);
    for (word, response) in [("log in as imported", rejected), ("try random password", accepted)] {
        let mut world = new_import().on(word, response);
        world.pass();
        assert!(!world.labels.iter().any(|word| word.starts_with("find")), "{:?}", world.labels);
    }
}

#[test]
fn the_annotations_of_a_new_object_are_handled_by_its_imported_token() {
    let mut world = new_import();
    world.observed.object.requested_annotations = annotations(&[("replace", "1"), ("rotate", "2")]);
    assert_eq!(world.pass(), PassResult::Idle, "{:?}", world.labels);
    assert!(!world.labels.iter().any(|word| word == "token"), "{:?}", world.labels);
    assert_eq!(StatusView::of(&world.observed.object).token.expect("a token").id, "17");
}

#[test]
fn a_secret_that_belongs_to_the_object_by_now_is_not_imported() {
    // Another operator was faster, or the hand-over was withdrawn from a Secret with the label of a restored object.
    let own = || Some(SecretMeta { handed_over: false, ..handed_over() });
    for word in ["read secret", "read import"] {
        let mut world = new_import().meanwhile(word, move |world| world.observed.secret = own());
        let begun = begin("17".to_owned(), RequestCause::default());
        assert_eq!(world.run(begun), Outcome::Redecide, "{word}");
        assert_eq!(world.labels.last().map(String::as_str), Some(word));
    }
}

#[test]
fn an_object_that_changes_during_the_logins_is_decided_again() {
    let changes: [fn(&mut World); 3] = [
        |world| world.observed.object.deleting = true,
        |world| world.observed.object.import = None,
        |world| world.observed.object.import = Some("16".to_owned()),
    ];
    for change in changes {
        let mut world = new_import().meanwhile("read object", change);
        let begun = begin("17".to_owned(), RequestCause::default());
        assert_eq!(world.run(begun), Outcome::Redecide);
        assert!(!world.labels.iter().any(|word| word.starts_with("import ")), "{:?}", world.labels);
    }
}

#[test]
fn a_write_whose_annotations_are_removed_is_reported_and_not_repeated_at_once() {
    for response in [Response::Secret(Some(Box::new(handed_over()))), Response::WriteRejected("quota".to_owned())] {
        let mut world = new_import().on("import 17", response);
        assert_eq!(world.pass(), PassResult::RequeueAfter(REJECTED_RETRY_AFTER), "{:?}", world.labels);
        let (_, reason, _) = ready_condition(world.observed.object.status.as_ref()).expect("reported");
        assert_eq!(reason, "SecretRejected");
    }
}
