//! Every profile, every step of every call, every fault: the client never reports a better result than the ledger, no
//! task is sent twice, and no secret is shown.

mod faults;

use super::fixtures::{marker, token_ref};
use super::profiles::{client_with, secrets};
use crate::fake_portal::{FakePortal, Operation, Profile, Record, Rule};
use futures::{StreamExt as _, stream};
use registry_token_operator::api::{Limits, ShortDuration};
use registry_token_operator::domain::model::token::{RowQuery, TokenRow};
use registry_token_operator::portal::thinkwise::ThinkwisePortal;
use registry_token_operator::portal::{Delivery, IssuedToken, Portal as _, PortalError};
use secrecy::ExposeSecret as _;
use std::collections::BTreeSet;
use std::time::Duration;

/// Number of profiles that are tested at the same time. Much of the time is spent on waits.
const PROFILES_AT_ONCE: usize = 6;
/// How often a case is tried until its fault is injected.
const MAX_TRIES: usize = 20;

/// The call that the client makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientCall {
    Request,
    Edit,
    Revoke,
    /// The whole list.
    Scan,
    /// A client without a resolved interface requests a token.
    FirstRequest,
}

const CALLS: [ClientCall; 5] =
    [ClientCall::Request, ClientCall::Edit, ClientCall::Revoke, ClientCall::Scan, ClientCall::FirstRequest];

/// A step of a call: the operation of its request, and the task that it is part of.
type CallStep = (Operation, Option<Operation>);

struct MatrixFixture {
    profile: &'static Profile,
    fake: FakePortal,
    /// For calls that must succeed.
    patient: ThinkwisePortal,
    /// For calls that must fail.
    impatient: ThinkwisePortal,
    is_listed: bool,
    /// The token to edit and revoke.
    token: (String, String),
}

fn short_timeouts() -> Limits {
    let short = |millis| ShortDuration(Duration::from_millis(millis));
    Limits {
        connect_timeout: short(400),
        first_byte_timeout: short(400),
        request_timeout: short(600),
        ..Limits::default()
    }
}

impl MatrixFixture {
    async fn new(profile: &'static Profile) -> Self {
        let fake = FakePortal::start(profile.config()).await;
        let of = |limits| client_with(profile, &fake, profile.minimal(&fake), limits);
        let (calm, hasty) = (of(Limits::default()), of(short_timeouts()));
        let is_listed = calm.resolve().await.expect("it fits").capabilities.list_visible();
        while hasty.resolve().await.is_err() {}
        let mut bench =
            Self { profile, fake, patient: calm, impatient: hasty, is_listed, token: (String::new(), String::new()) };
        bench.issue_token().await;
        bench
    }

    /// Creates another token to edit and revoke.
    async fn issue_token(&mut self) {
        let marker = marker(self.fake.ledger().all().len());
        let issued = self.patient.request(&marker.to_string()).await.expect("a token");
        let id = match issued.id {
            Some(id) => id,
            None => self.patient.list(&RowQuery::WithMarker(marker)).await.expect("a list")[0].token.id.clone(),
        };
        self.token = (id, issued.username);
    }

    async fn call(&self, portal: &ThinkwisePortal, call: ClientCall) -> Result<(), PortalError> {
        let token = token_ref(&self.token.0, &self.token.1);
        match call {
            ClientCall::Request | ClientCall::FirstRequest => {
                portal.request("It's ours").await.map(|issued| self.assert_known(&issued))
            }
            ClientCall::Edit => portal.edit_description(&token, "New").await,
            ClientCall::Revoke => portal.revoke(&token).await,
            ClientCall::Scan => {
                let mut count = 0;
                portal.scan(&mut |_: TokenRow| count += 1).await?;
                assert_eq!(count, self.fake.ledger().live().len(), "a list that ends well is complete");
                Ok(())
            }
        }
    }

    fn assert_known(&self, issued: &IssuedToken) {
        let secret = issued.secret.expose_secret();
        let all = self.fake.ledger().all();
        assert!(
            all.iter().any(|token| token.secret == secret && token.username == issued.username),
            "a colleague's token"
        );
    }

    /// The requests of a call.
    async fn steps(&mut self, call: ClientCall) -> Vec<CallStep> {
        let position = self.fake.ledger().position();
        self.call_with_fault(None, call, false).await.expect("no fault");
        let mut steps: Vec<CallStep> = vec![];
        for record in self.fake.ledger().requests_since(position) {
            let step = (record.operation, record.task);
            let is_ours = call != ClientCall::FirstRequest || !record.operation.is_task();
            if is_ours && !steps.contains(&step) {
                steps.push(step);
            }
        }
        if call == ClientCall::Revoke {
            self.issue_token().await;
        }
        steps
    }

    async fn call_with_fault(
        &self,
        rule: Option<&Rule>,
        call: ClientCall,
        is_impatient: bool,
    ) -> Result<(), PortalError> {
        let limits = if is_impatient { short_timeouts() } else { Limits::default() };
        let fresh = (call == ClientCall::FirstRequest)
            .then(|| client_with(self.profile, &self.fake, self.profile.minimal(&self.fake), limits));
        let portal = fresh.as_ref().unwrap_or(if is_impatient { &self.impatient } else { &self.patient });
        if let Some(rule) = rule {
            self.fake.faults().add(rule.clone());
        }
        self.call(portal, call).await
    }

    /// Runs one case of the matrix.
    async fn run_case(&mut self, call: ClientCall, step: CallStep, rule: &Rule) {
        let what = format!("{}, {call:?}, {step:?}, {:?}", self.profile.name, rule.fault);
        let position = self.fake.ledger().position();
        let mut tries = 0;
        let result = loop {
            let result = self.call_with_fault(Some(rule), call, true).await;
            // On a slow machine the call may not have reached that step.
            if self.fake.faults().in_force().is_empty() {
                break result;
            }
            tries += 1;
            assert!(tries < MAX_TRIES, "{what}: the fault was not injected");
            self.fake.faults().clear();
            if call == ClientCall::Revoke {
                self.issue_token().await;
            }
        };
        self.fake.faults().clear();
        if what.contains("Late") || what.contains("DelayBefore") {
            tokio::time::sleep(Duration::from_millis(2 * faults::LATE_MILLIS)).await;
        }
        let records = self.fake.ledger().requests_since(position);
        if tries == 0 {
            check_result(&what, call, &records, &result);
        }
        if let Err(failure) = &result {
            let message = format!("{failure:?}");
            let all = secrets(self.profile, &self.fake);
            assert!(
                !all.iter().any(|secret| message.contains(secret.as_str())) && !message.contains("hush"),
                "{what}: {message}"
            );
        }
        self.restore(call).await;
    }

    /// Removes what one case left behind, so that it does not affect the next.
    async fn restore(&mut self, call: ClientCall) {
        if self.impatient.open_reason_for("").is_some() {
            self.impatient = client_with(self.profile, &self.fake, self.profile.minimal(&self.fake), short_timeouts());
            while self.impatient.resolve().await.is_err() {}
        }
        let is_live = self.fake.ledger().live().iter().any(|token| token.username == self.token.1);
        if call == ClientCall::Revoke && !is_live {
            self.issue_token().await;
        }
    }
}

fn check_result(what: &str, call: ClientCall, records: &[Record], result: &Result<(), PortalError>) {
    let counts = |record: &&Record| {
        matches!(record.operation, Operation::Request | Operation::Edit | Operation::Revoke | Operation::Commit)
    };
    let applied = records.iter().filter(counts).any(|record| record.applied);
    // A 401 proves that nothing was performed, and a bearer token is renewed once.
    let sent = records.iter().filter(counts).filter(|record| record.status != Some(401)).count();
    assert!(sent <= 1, "{what}: sent {sent} times");
    match result {
        Ok(()) => assert!(applied || call == ClientCall::Scan, "{what}: it is reported as done"),
        Err(failure) => {
            assert!(failure.delivery == Delivery::Unknown || !applied, "{what}: {:?}, {failure}", failure.delivery);
        }
    }
}

/// Runs all cases of one profile.
async fn run_profile(profile: &'static Profile) -> (usize, BTreeSet<String>) {
    let mut fixture = MatrixFixture::new(profile).await;
    let (mut cases, mut steps) = (0, BTreeSet::new());
    for call in CALLS {
        if call == ClientCall::Scan && !fixture.is_listed {
            continue;
        }
        for step in fixture.steps(call).await {
            steps.insert(format!("{call:?}/{:?}", step.0));
            for fault in faults::faults_for(step.0) {
                let rule = Rule { operation: step.0, task: step.1, fault, times: Some(1) };
                fixture.run_case(call, step, &rule).await;
                cases += 1;
            }
        }
    }
    (cases, steps)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_at_any_step_in_any_profile_is_reported_better_than_it_is() {
    let begun = std::time::Instant::now();
    // All at once would slow down each so much that its short timeouts pass before the fault.
    let mut rows = stream::iter(Profile::all())
        .map(|profile| tokio::spawn(run_profile(profile)))
        .buffer_unordered(PROFILES_AT_ONCE);
    let (mut cases, mut steps) = (0, BTreeSet::new());
    while let Some(row) = rows.next().await {
        let (more, of_profile) = row.expect("a row of the table");
        cases += more;
        steps.extend(of_profile);
    }
    let (profiles, took) = (Profile::all().len(), begun.elapsed().as_secs());
    println!("{cases} cases: {profiles} profiles x their steps, of {}, x faults; {took} s", steps.len());
    assert!(profiles >= 19 && cases > 2000, "{profiles} profiles, {cases} cases");
    for step in
        ["Request/Stage", "Edit/Patch", "Revoke/Commit", "Request/FlowRead", "FirstRequest/Metadata", "Scan/List"]
    {
        assert!(steps.contains(step), "{step} of {steps:?}");
    }
}
