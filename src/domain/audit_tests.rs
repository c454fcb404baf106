use super::*;
use crate::api::Reason;
use crate::domain::testing::{at, attempt, fault, mark, named, row, tag};

const UID: &str = crate::domain::testing::UID;

fn inventory(rows: &[Row]) -> Inventory {
    let mut inventory = Inventory::new(at(1000), "k8s".into(), tag());
    rows.iter().cloned().for_each(|row| inventory.add(row));
    inventory
}

/// A row that was asked for by this attempt of the object.
fn marked(id: &str, number: u8) -> Row {
    row(id, &mark(&attempt(number)).mark("prod"))
}

fn owner(tokens: &[&str]) -> Owner {
    Owner {
        uid: UID.into(),
        namespace: "team-a".into(),
        secret: "pull".into(),
        tokens: tokens.iter().map(|id| named(id)).collect(),
        requested: Some(at(0)),
        user: Some("k8s".into()),
    }
}

fn holder(claims: &[&str]) -> Holder {
    Holder {
        namespace: "team-a".into(),
        name: "pull".into(),
        claims: claims.iter().map(|&claim| claim.to_owned()).collect(),
        reserved: None,
        stored: None,
        orphaned: vec![],
    }
}

fn reserving(number: u8) -> Holder {
    Holder { reserved: Some(attempt(number)), ..holder(&[UID]) }
}

fn storing(number: u8, id: &str) -> Holder {
    Holder { stored: Some((attempt(number), id.into())), ..holder(&[UID]) }
}

/// What is found when it is asked for.
struct Truth {
    rows: Vec<Row>,
    cached: Known,
    first: Vec<Owner>,
    holders: Vec<Holder>,
    owners: Vec<Owner>,
    /// The rows as they are when they are read once more.
    later: Vec<Row>,
}

impl Truth {
    fn of(rows: &[Row], holders: &[Holder], owners: &[Owner]) -> Self {
        let (holders, owners) = (holders.to_vec(), owners.to_vec());
        Self {
            rows: rows.to_vec(),
            cached: Known::default(),
            first: owners.clone(),
            holders,
            owners,
            later: rows.to_vec(),
        }
    }

    /// Runs the audit, with this request failing, and gives what was asked for.
    fn audit(&self, failing: Option<&str>) -> (Vec<String>, Result<usize, Fault>) {
        let failing = failing.map(|word| (word, Reason::TimedOut));
        let (asked, found) = self.audit_with(failing.as_slice());
        (asked, found.map(|found| found.revoked))
    }

    /// The same, with these requests failing for these reasons.
    fn audit_with(&self, failing: &[(&str, Reason)]) -> (Vec<String>, Result<Found, Fault>) {
        let (mut audit, mut next) = Audit::begin();
        let mut asked: Vec<String> = vec![];
        loop {
            let request = match next {
                Next::Do(request) => request,
                Next::End(found) => return (asked, found),
            };
            let (word, answer) = self.answer(&request, asked.iter().any(|word| word == "owners"));
            let fails = failing.iter().find(|(failing, _)| *failing == word);
            let answer = fails.map_or(answer, |(_, reason)| Answer::Failed(fault(*reason)));
            asked.push(word);
            assert!(asked.len() < 100, "it goes on for ever");
            (audit, next) = audit.step(answer);
        }
    }

    fn answer(&self, request: &Request, again: bool) -> (String, Answer) {
        match request {
            Request::Scan => ("scan".into(), Answer::Scanned(inventory(&self.rows), self.cached.clone())),
            Request::Owners => {
                ("owners".into(), Answer::Owners(if again { &self.owners } else { &self.first }.clone()))
            }
            Request::Holders(names) => {
                let expected: Vec<_> =
                    self.first.iter().map(|one| (one.namespace.clone(), one.secret.clone())).collect();
                assert_eq!(*names, expected, "Secrets that lost their label are read by name");
                ("secrets".into(), Answer::Holders(self.holders.clone()))
            }
            Request::Row(token) => {
                let row = self.later.iter().find(|row| row.token.id == token.id).cloned();
                (format!("row {}", token.id), Answer::Row(row))
            }
            Request::Revoke(token) => (format!("revoke {}", token.id), Answer::Done),
        }
    }

    /// The tokens that it revokes.
    fn revokes(&self) -> Vec<String> {
        let (asked, found) = self.audit(None);
        let revoked: Vec<_> = asked.iter().filter_map(|word| word.strip_prefix("revoke ")).map(str::to_owned).collect();
        assert_eq!(found, Ok(revoked.len()));
        revoked
    }
}

#[test]
fn where_caches_explain_everything_no_quorum_read_is_made() {
    let cached = Known::of(&[storing(1, "17"), reserving(2)], &[owner(&["17", "12"])]);
    let rows = [row("1", "a colleague's"), marked("17", 1), marked("18", 2), row("12", "prod")];
    let truth = Truth { cached, ..Truth::of(&rows, &[], &[]) };
    assert_eq!(truth.audit(None), (vec!["scan".to_owned()], Ok(0)));
}

#[test]
fn secrets_are_read_before_objects_and_the_row_once_more_before_it_is_revoked() {
    let truth = Truth::of(&[row("1", "a colleague's"), marked("17", 1)], &[], &[owner(&[])]);
    let order = ["scan", "owners", "secrets", "owners", "row 17", "revoke 17"].map(String::from);
    assert_eq!(truth.audit(None), (order.into(), Ok(1)));
}

#[test]
fn only_a_marked_token_that_nothing_explains_is_revoked() {
    let rows = [marked("17", 1), marked("18", 2), marked("19", 3), marked("20", 4), row("21", "unmarked")];
    let holders = [Holder { stored: storing(2, "18").stored, ..reserving(1) }];
    assert_eq!(Truth::of(&rows, &holders, &[owner(&["19"])]).revokes(), ["20"]);
    assert!(Truth::of(&[], &holders, &[]).revokes().is_empty());
}

#[test]
fn a_token_that_moved_into_the_status_between_the_reads_is_explained() {
    let mut truth = Truth::of(&[marked("17", 1)], &[], &[owner(&["17"])]);
    truth.first = vec![owner(&[])];
    assert!(truth.revokes().is_empty(), "the later reading of the objects counts");
    let mut gone = Truth::of(&[marked("17", 1)], &[], &[owner(&[])]);
    gone.first = vec![owner(&["17"])];
    assert_eq!(gone.revokes(), ["17"]);
}

#[test]
fn one_attempt_has_one_token() {
    let rows = [marked("17", 1), marked("18", 1)];
    assert_eq!(Truth::of(&rows, &[storing(1, "17")], &[owner(&[])]).revokes(), ["18"]);
    assert!(Truth::of(&rows, &[reserving(1)], &[owner(&[])]).revokes().is_empty(), "while it runs, nobody knows which");
}

#[test]
fn a_name_alone_or_an_id_alone_explains_nothing() {
    let mut another = owner(&["17"]);
    another.tokens[0].username = "another".into();
    assert_eq!(Truth::of(&[marked("17", 1)], &[], &[another]).revokes(), ["17"]);
}

#[test]
fn a_running_attempt_is_no_suspect_though_its_secret_was_stripped() {
    let rows = [marked("17", 1)];
    for claims in [&[UID][..], &[], &["gone-uid", UID], &["gone-uid"]] {
        let stripped = Holder { claims: holder(claims).claims, ..reserving(1) };
        assert!(Truth::of(&rows, &[stripped], &[owner(&[])]).revokes().is_empty(), "{claims:?}");
    }
    let elsewhere = Holder { namespace: "team-b".into(), claims: vec![], ..reserving(1) };
    assert_eq!(
        Truth::of(&rows, std::slice::from_ref(&elsewhere), &[owner(&[])]).revokes(),
        ["17"],
        "another's Secret says nothing"
    );
    let claimed = Holder { claims: vec![UID.into()], ..elsewhere };
    assert!(Truth::of(&rows, &[claimed], &[owner(&[])]).revokes().is_empty());
}

#[test]
fn the_secret_of_an_object_that_is_gone_explains_nothing() {
    for held in [reserving(1), storing(1, "17")] {
        assert_eq!(Truth::of(&[marked("17", 1)], &[held], &[]).revokes(), ["17"]);
    }
    let successor = Owner { uid: "created-anew".into(), ..owner(&[]) };
    assert_eq!(Truth::of(&[marked("17", 1)], &[storing(1, "17")], &[successor]).revokes(), ["17"]);
}

#[test]
fn a_mark_that_was_taken_off_meanwhile_protects_its_token() {
    let orphaned = |later: &[Row]| {
        let mut truth = Truth::of(&[marked("17", 1)], &[], &[]);
        truth.later = later.to_vec();
        truth.audit(None)
    };
    let before = ["scan", "owners", "secrets", "owners", "row 17"].map(String::from);
    for later in [
        vec![row("17", "prod")],
        vec![],
        vec![Row { token: Named { username: "x".into(), ..named("17") }, ..marked("17", 1) }],
    ] {
        assert_eq!(orphaned(&later), (before.clone().into(), Ok(0)), "{later:?}");
    }
}

#[test]
fn a_failure_concludes_nothing_and_revokes_no_more() {
    let truth = Truth::of(&[marked("17", 1), marked("18", 2)], &[], &[]);
    for failing in ["scan", "owners", "secrets"] {
        let (asked, found) = truth.audit(Some(failing));
        assert_eq!(found, Err(fault(Reason::TimedOut)), "{failing}");
        assert_eq!(asked.last().map(String::as_str), Some(failing));
    }
}

#[test]
fn one_that_cannot_be_revoked_hinders_neither_the_others_nor_what_the_list_says() {
    let truth = Truth::of(&[marked("17", 1), marked("18", 2), marked("19", 3), row("1", "prod")], &[], &[]);
    for failing in ["row 18", "revoke 18"] {
        let (asked, found) = truth.audit_with(&[(failing, Reason::RequestRefused)]);
        let found = found.expect("it is concluded");
        assert_eq!((found.revoked, found.inventory.len()), (2, 4), "{asked:?}");
        assert_eq!(found.left, Some(Left { count: 1, fault: fault(Reason::RequestRefused) }));
    }
    let all =
        [("revoke 17", Reason::PortalFailed), ("row 18", Reason::NoAccess), ("revoke 19", Reason::RequestRefused)];
    let found = truth.audit_with(&all).1.expect("it is concluded");
    assert_eq!((found.revoked, found.left.expect("counted").count), (0, 3));
    assert_eq!(truth.audit_with(&[]).1.expect("well").left, None);
}

#[test]
fn a_portal_that_answers_no_more_is_not_asked_about_each_suspect() {
    let truth = Truth::of(&[marked("17", 1), marked("18", 2), marked("19", 3)], &[], &[]);
    for failing in ["row 18", "revoke 18"] {
        for reason in [Reason::TimedOut, Reason::Unreachable, Reason::RateLimited, Reason::Unauthorised] {
            let (asked, found) = truth.audit_with(&[(failing, reason)]);
            assert_eq!(asked.last().map(String::as_str), Some(failing));
            let found = found.expect("it is concluded");
            assert_eq!((found.revoked, found.left), (1, Some(Left { count: 2, fault: fault(reason) })));
        }
    }
}

#[test]
fn an_answer_to_another_question_revokes_nothing() {
    let answers =
        || [Answer::Owners(vec![]), Answer::Holders(vec![]), Answer::Row(Some(marked("17", 1))), Answer::Done];
    for answer in answers() {
        assert!(matches!(Audit::begin().0.step(answer).1, Next::End(Err(_))), "no list, nothing found");
    }
    let (audit, _) = Audit::begin().0.step(Answer::Scanned(inventory(&[marked("17", 1)]), Known::default()));
    for answer in [Answer::Holders(vec![]), Answer::Row(Some(marked("17", 1))), Answer::Done] {
        let Next::End(Ok(found)) = audit.clone().step(answer).1 else { panic!("it ends") };
        assert_eq!(found.revoked, 0);
    }
}

#[test]
fn a_token_that_is_known_by_its_username_only_is_explained_by_that() {
    let by_username = |mut owner: Owner| {
        owner.tokens.iter_mut().for_each(|token| token.id.clone_from(&token.username));
        owner
    };
    let rows = [marked("17", 1), marked("18", 2), marked("19", 3)];
    // One of them recorded, one stored and not recorded yet, one nobody's.
    let truth = Truth::of(&rows, &[storing(2, "tw-18")], &[by_username(owner(&["17"]))]);
    assert_eq!(truth.revokes(), ["19"]);
}

#[test]
fn a_mark_that_was_left_to_its_user_is_nobodys_to_revoke() {
    let orphan = |marks: Vec<Nonce>| Holder { orphaned: marks, ..holder(&["gone"]) };
    let marker = mark(&attempt(1));
    let row = row("17", &marker.mark("prod"));
    assert!(Known::of(&[orphan(vec![marker.nonce().clone()])], &[]).explains(&row, &marker));
    assert!(!Known::of(&[orphan(vec![mark(&attempt(2)).nonce().clone()])], &[]).explains(&row, &marker));
}
