mod failures;

use super::*;
use crate::api::Reason;
use crate::domain::test_support::{at, attempt_id, marker, problem, row, tag, token_ref};

const UID: &str = crate::domain::test_support::UID;

fn inventory(rows: &[TokenRow]) -> Inventory {
    let mut inventory = Inventory::new(at(1000), "k8s".into(), tag());
    rows.iter().cloned().for_each(|row| inventory.add(row));
    inventory
}

/// A row that this attempt of the object requested.
fn marked(id: &str, number: u8) -> TokenRow {
    row(id, &marker(&attempt_id(number)).append_to("prod"))
}

fn audited_token(tokens: &[&str]) -> AuditedToken {
    AuditedToken {
        uid: UID.into(),
        namespace: "team-a".into(),
        secret: "pull".into(),
        tokens: tokens.iter().map(|id| token_ref(id)).collect(),
        requested_at: Some(at(0)),
        portal_user: Some("k8s".into()),
    }
}

fn audited_secret(claims: &[&str]) -> AuditedSecret {
    AuditedSecret {
        namespace: "team-a".into(),
        name: "pull".into(),
        owner_uids: claims.iter().map(|&claim| claim.to_owned()).collect(),
        reserved: None,
        stored: None,
        orphaned_markers: vec![],
    }
}

fn reserving(number: u8) -> AuditedSecret {
    AuditedSecret { reserved: Some(attempt_id(number)), ..audited_secret(&[UID]) }
}

fn storing(number: u8, id: &str) -> AuditedSecret {
    AuditedSecret { stored: Some((attempt_id(number), id.into())), ..audited_secret(&[UID]) }
}

/// The responses of an audit.
struct Fixture {
    rows: Vec<TokenRow>,
    cached: Claims,
    first: Vec<AuditedToken>,
    secrets: Vec<AuditedSecret>,
    objects: Vec<AuditedToken>,
    /// The rows when they are read again.
    later: Vec<TokenRow>,
}

impl Fixture {
    fn of(rows: &[TokenRow], secrets: &[AuditedSecret], objects: &[AuditedToken]) -> Self {
        let (secrets, objects) = (secrets.to_vec(), objects.to_vec());
        Self {
            rows: rows.to_vec(),
            cached: Claims::default(),
            first: objects.clone(),
            secrets,
            objects,
            later: rows.to_vec(),
        }
    }

    /// Runs the audit, with this request failing, and returns the requests.
    fn audit(&self, failing: Option<&str>) -> (Vec<String>, Result<usize, Problem>) {
        let failing = failing.map(|word| (word, Reason::TimedOut));
        let (asked, found) = self.audit_with(failing.as_slice());
        (asked, found.map(|found| found.revoked))
    }

    /// The same, with these requests failing for these reasons.
    fn audit_with(&self, failing: &[(&str, Reason)]) -> (Vec<String>, Result<AuditReport, Problem>) {
        let (mut audit, mut next) = PortalAudit::begin();
        let mut asked: Vec<String> = vec![];
        loop {
            let request = match next {
                AuditStep::Perform(request) => request,
                AuditStep::Done(found) => return (asked, found),
            };
            let (word, response) = self.response(&request, asked.iter().any(|word| word == "owners"));
            let fails = failing.iter().find(|(failing, _)| *failing == word);
            let response = fails.map_or(response, |(_, reason)| AuditResponse::Failed(problem(*reason)));
            asked.push(word);
            assert!(asked.len() < 100, "endless loop");
            (audit, next) = audit.step(response);
        }
    }

    fn response(&self, request: &AuditRequest, again: bool) -> (String, AuditResponse) {
        match request {
            AuditRequest::ReadPortalList => {
                ("scan".into(), AuditResponse::PortalList(inventory(&self.rows), self.cached.clone()))
            }
            AuditRequest::ListObjects => {
                ("owners".into(), AuditResponse::Objects(if again { &self.objects } else { &self.first }.clone()))
            }
            AuditRequest::ListSecrets(names) => {
                let expected: Vec<_> =
                    self.first.iter().map(|one| (one.namespace.clone(), one.secret.clone())).collect();
                assert_eq!(*names, expected, "Secrets that lost their label are read by name");
                ("secrets".into(), AuditResponse::Secrets(self.secrets.clone()))
            }
            AuditRequest::ReadRow(token) => {
                let row = self.later.iter().find(|row| row.token.id == token.id).cloned();
                (format!("row {}", token.id), AuditResponse::Row(row))
            }
            AuditRequest::Revoke(token) => (format!("revoke {}", token.id), AuditResponse::Done),
        }
    }

    /// Returns the tokens that the audit revokes.
    fn revokes(&self) -> Vec<String> {
        let (asked, found) = self.audit(None);
        let revoked: Vec<_> = asked.iter().filter_map(|word| word.strip_prefix("revoke ")).map(str::to_owned).collect();
        assert_eq!(found, Ok(revoked.len()));
        revoked
    }
}

#[test]
fn when_the_caches_account_for_every_token_no_live_read_is_made() {
    let cached = Claims::collect(&[storing(1, "17"), reserving(2)], &[audited_token(&["17", "12"])]);
    let rows = [row("1", "a colleague's"), marked("17", 1), marked("18", 2), row("12", "prod")];
    let truth = Fixture { cached, ..Fixture::of(&rows, &[], &[]) };
    assert_eq!(truth.audit(None), (vec!["scan".to_owned()], Ok(0)));
}

#[test]
fn secrets_are_read_before_objects_and_the_row_once_more_before_it_is_revoked() {
    let truth = Fixture::of(&[row("1", "a colleague's"), marked("17", 1)], &[], &[audited_token(&[])]);
    let order = ["scan", "owners", "secrets", "owners", "row 17", "revoke 17"].map(String::from);
    assert_eq!(truth.audit(None), (order.into(), Ok(1)));
}

#[test]
fn only_a_marked_token_without_a_claim_is_revoked() {
    let rows = [marked("17", 1), marked("18", 2), marked("19", 3), marked("20", 4), row("21", "unmarked")];
    let secrets = [AuditedSecret { stored: storing(2, "18").stored, ..reserving(1) }];
    assert_eq!(Fixture::of(&rows, &secrets, &[audited_token(&["19"])]).revokes(), ["20"]);
    assert!(Fixture::of(&[], &secrets, &[]).revokes().is_empty());
}

#[test]
fn a_token_that_moved_into_the_status_between_the_reads_is_accounted_for() {
    let mut truth = Fixture::of(&[marked("17", 1)], &[], &[audited_token(&["17"])]);
    truth.first = vec![audited_token(&[])];
    assert!(truth.revokes().is_empty(), "the later reading of the objects counts");
    let mut moved = Fixture::of(&[marked("17", 1)], &[], &[audited_token(&[])]);
    moved.first = vec![audited_token(&["17"])];
    assert_eq!(moved.revokes(), ["17"]);
}

#[test]
fn one_attempt_has_one_token() {
    let rows = [marked("17", 1), marked("18", 1)];
    assert_eq!(Fixture::of(&rows, &[storing(1, "17")], &[audited_token(&[])]).revokes(), ["18"]);
    assert!(
        Fixture::of(&rows, &[reserving(1)], &[audited_token(&[])]).revokes().is_empty(),
        "while it runs, it is unknown which one it is"
    );
}

#[test]
fn a_username_alone_or_an_id_alone_accounts_for_nothing() {
    let mut another = audited_token(&["17"]);
    another.tokens[0].username = "another".into();
    assert_eq!(Fixture::of(&[marked("17", 1)], &[], &[another]).revokes(), ["17"]);
}

#[test]
fn a_running_attempt_is_no_orphan_though_its_secret_was_stripped() {
    let rows = [marked("17", 1)];
    for claims in [&[UID][..], &[], &["gone-uid", UID], &["gone-uid"]] {
        let stripped = AuditedSecret { owner_uids: audited_secret(claims).owner_uids, ..reserving(1) };
        assert!(Fixture::of(&rows, &[stripped], &[audited_token(&[])]).revokes().is_empty(), "{claims:?}");
    }
    let elsewhere = AuditedSecret { namespace: "team-b".into(), owner_uids: vec![], ..reserving(1) };
    assert_eq!(
        Fixture::of(&rows, std::slice::from_ref(&elsewhere), &[audited_token(&[])]).revokes(),
        ["17"],
        "the Secret of another object makes no claim"
    );
    let claimed = AuditedSecret { owner_uids: vec![UID.into()], ..elsewhere };
    assert!(Fixture::of(&rows, &[claimed], &[audited_token(&[])]).revokes().is_empty());
}

#[test]
fn the_secret_of_a_deleted_object_accounts_for_nothing() {
    for secret in [reserving(1), storing(1, "17")] {
        assert_eq!(Fixture::of(&[marked("17", 1)], &[secret], &[]).revokes(), ["17"]);
    }
    let successor = AuditedToken { uid: "created-again".into(), ..audited_token(&[]) };
    assert_eq!(Fixture::of(&[marked("17", 1)], &[storing(1, "17")], &[successor]).revokes(), ["17"]);
}

/// An audit of one marked token, whose object is deleted between the two reads of the objects.
fn deleted_during_the_reads() -> PortalAudit {
    let audit =
        PortalAudit::begin().0.step(AuditResponse::PortalList(inventory(&[marked("17", 1)]), Claims::default())).0;
    let audit = audit.step(AuditResponse::Objects(vec![audited_token(&[])])).0;
    let audit = audit.step(AuditResponse::Secrets(vec![storing(1, "17")])).0;
    let (audit, next) = audit.step(AuditResponse::Objects(vec![]));
    assert_eq!(next, AuditStep::Perform(AuditRequest::ListObjects), "all is read again");
    audit.step(AuditResponse::Objects(vec![])).0
}

#[test]
fn a_token_that_was_released_during_the_reads_is_not_revoked() {
    let markers = vec![marker(&attempt_id(1)).nonce().clone()];
    let released = AuditedSecret { orphaned_markers: markers, ..audited_secret(&[UID]) };
    let audit = deleted_during_the_reads().step(AuditResponse::Secrets(vec![released])).0;
    let AuditStep::Done(Ok(found)) = audit.step(AuditResponse::Objects(vec![])).1 else { panic!("it ends") };
    assert_eq!((found.revoked, found.failed), (0, None));
}

#[test]
fn a_suspect_that_was_accounted_for_in_the_first_reads_is_checked_again_in_the_second() {
    let rows = [marked("17", 1), marked("18", 2)];
    let other = AuditedToken { uid: "other".into(), secret: "other".into(), ..audited_token(&["18"]) };
    let audit = PortalAudit::begin().0.step(AuditResponse::PortalList(inventory(&rows), Claims::default())).0;
    let audit = audit.step(AuditResponse::Objects(vec![audited_token(&[]), other.clone()])).0;
    let audit = audit.step(AuditResponse::Secrets(vec![storing(1, "17")])).0;
    let audit = audit.step(AuditResponse::Objects(vec![other])).0;
    let audit = audit.step(AuditResponse::Objects(vec![])).0;
    let audit = audit.step(AuditResponse::Secrets(vec![])).0;
    let (_, next) = audit.step(AuditResponse::Objects(vec![]));
    assert_eq!(next, AuditStep::Perform(AuditRequest::ReadRow(token_ref("18"))));
}

#[test]
fn a_token_that_a_deleted_object_left_behind_is_revoked_after_a_second_read() {
    for left in [vec![], vec![storing(1, "17")]] {
        let audit = deleted_during_the_reads().step(AuditResponse::Secrets(left)).0;
        let (audit, next) = audit.step(AuditResponse::Objects(vec![]));
        assert_eq!(next, AuditStep::Perform(AuditRequest::ReadRow(token_ref("17"))));
        let (_, next) = audit.step(AuditResponse::Row(Some(marked("17", 1))));
        assert_eq!(next, AuditStep::Perform(AuditRequest::Revoke(token_ref("17"))));
    }
}

#[test]
fn a_marker_that_was_removed_in_the_meantime_protects_its_token() {
    let orphaned = |later: &[TokenRow]| {
        let mut truth = Fixture::of(&[marked("17", 1)], &[], &[]);
        truth.later = later.to_vec();
        truth.audit(None)
    };
    let before = ["scan", "owners", "secrets", "owners", "row 17"].map(String::from);
    for later in [
        vec![row("17", "prod")],
        vec![],
        vec![TokenRow { token: TokenRef { username: "x".into(), ..token_ref("17") }, ..marked("17", 1) }],
    ] {
        assert_eq!(orphaned(&later), (before.clone().into(), Ok(0)), "{later:?}");
    }
}

#[test]
fn a_token_that_is_known_by_its_username_only_is_accounted_for_by_that() {
    let by_username = |mut owner: AuditedToken| {
        owner.tokens.iter_mut().for_each(|token| token.id.clone_from(&token.username));
        owner
    };
    let rows = [marked("17", 1), marked("18", 2), marked("19", 3)];
    // One of them is recorded, one is stored but not recorded yet, one is orphaned.
    let truth = Fixture::of(&rows, &[storing(2, "tw-18")], &[by_username(audited_token(&["17"]))]);
    assert_eq!(truth.revokes(), ["19"]);
}

#[test]
fn a_token_with_an_orphaned_marker_is_not_revoked() {
    let orphan = |markers: Vec<Nonce>| AuditedSecret { orphaned_markers: markers, ..audited_secret(&["gone"]) };
    let first = marker(&attempt_id(1));
    let row = row("17", &first.append_to("prod"));
    assert!(Claims::collect(&[orphan(vec![first.nonce().clone()])], &[]).accounts_for(&row, &first));
    assert!(!Claims::collect(&[orphan(vec![marker(&attempt_id(2)).nonce().clone()])], &[]).accounts_for(&row, &first));
}
