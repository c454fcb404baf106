//! One case of the matrix: an object with its own issuer and portal.

use super::proxy::{FAKE_MESSAGE, Proxy};
use super::steps::ProtocolStep;
use super::table::{FaultColumn, FaultTarget, MatrixRow, PlannedFault, Scenario};
use crate::control_plane::{ControlPlane, wait_for};
use crate::fake_portal::{Config, Fault, Operation};
use crate::fixture::{Team, condition, merge, ready, token};
use k8s_openapi::api::core::v1::{Event, Namespace, Secret};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use registry_token_operator::api::ClusterTokenIssuer;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The object's name in each namespace.
pub const NAME: &str = "pull";
/// How long a case may take from its fault until its object is in order: twice the response deadline, and the backoffs
/// in between.
const LIMIT: Duration = Duration::from_secs(70);
/// How soon an object reports the problem.
const REPORT_LIMIT: Duration = Duration::from_mins(1);
/// Many cases poll at once.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// One case.
pub struct FaultCase {
    pub row: MatrixRow,
    pub column: FaultColumn,
    pub fault: PlannedFault,
    pub team: Team,
}

/// The result of a case.
pub struct CaseResult {
    pub namespace: String,
    pub row: MatrixRow,
    pub column: FaultColumn,
    pub took: Duration,
    pub minted: usize,
    /// What the object reported while the fault persisted.
    pub reported_reason: String,
    pub failure: Option<String>,
}

/// Without kubectl, because so many cases would start hundreds of processes.
async fn create<K>(api: Api<K>, object: Value)
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned + serde::Serialize,
{
    let object = serde_json::from_value(object).expect("an object");
    api.create(&PostParams::default(), &object).await.expect("created");
}

fn credentials() -> Value {
    json!({"metadata": {"name": "portal", "labels": {"registry-token.dev/credentials": "true"}}, "stringData": {"username": "k8s", "password": "portal-password"}})
}

/// An issuer that serves namespaces with a label, and revokes at once when they lose it.
async fn create_cluster_issuer(team: &Team) {
    let name = &team.namespace;
    label(team, Some("yes")).await;
    let mut secret = credentials();
    secret["metadata"]["name"] = json!(name);
    create(Api::<Secret>::namespaced(team.client.clone(), "registry-token-operator"), secret).await;
    let mut spec = team.issuer_spec(json!({}));
    merge(&mut spec, json!({"thinkwise": {"auth": {"basic": {"secretRef": {"name": name}}}}}));
    let selector = json!({"matchLabels": {"may-pull": "yes"}});
    spec["allowedNamespaces"] = json!({"from": "Selector", "selector": selector, "gracePeriod": "0s"});
    let issuer = json!({"metadata": {"name": name}, "spec": spec});
    create(Api::<ClusterTokenIssuer>::all(team.client.clone()), issuer).await;
}

async fn label(team: &Team, value: Option<&str>) {
    let namespaces: Api<Namespace> = Api::all(team.client.clone());
    let patch = Patch::Merge(json!({"metadata": {"labels": {"may-pull": value}}}));
    namespaces.patch(&team.namespace, &PatchParams::default(), &patch).await.expect("labeled");
}

impl FaultCase {
    /// Creates the namespace, portal and issuer of a case.
    pub async fn new(
        control_plane: &'static ControlPlane,
        (row, column, fault): (MatrixRow, FaultColumn, PlannedFault),
    ) -> Self {
        let team = Team::bare(control_plane, "case", Config::default()).await;
        create(team.secrets(), credentials()).await;
        if row.scenario == Scenario::Denial {
            create_cluster_issuer(&team).await;
        }
        let spec = team.issuer_spec(json!({}));
        create(team.issuers(), json!({"metadata": {"name": "portal"}, "spec": spec})).await;
        Self { row, column, fault, team }
    }

    /// Injects the fault, and starts the scenario.
    pub async fn start(&self, proxy: &Proxy) {
        let mut object = token(NAME, "a case of the matrix");
        object["spec"]["rotation"] = json!({"interval": "24h", "overlap": "1s"});
        if self.row.scenario == Scenario::Denial {
            object["spec"]["issuerRef"] = json!({"name": self.team.namespace});
        }
        let faults = self.team.portal.faults();
        if matches!(self.row.scenario, Scenario::Rotation | Scenario::Deletion | Scenario::Denial) {
            create(self.team.tokens(), object.clone()).await;
            self.team.until_synced(NAME).await;
        }
        if self.row.scenario == Scenario::LostResponse {
            faults.once(Operation::Request, Fault::StatusAfter(504));
        }
        match self.fault.clone() {
            PlannedFault::ApiServer(steps, fault) => {
                proxy.inject(&self.team.namespace, steps, fault, self.column.is_persistent());
            }
            PlannedFault::Portal(operation, fault) if self.column.is_persistent() => faults.always(operation, fault),
            PlannedFault::Portal(operation, fault) => faults.once(operation, fault),
        }
        match self.row.scenario {
            Scenario::FirstToken | Scenario::LostResponse => create(self.team.tokens(), object).await,
            Scenario::Rotation => self.annotate("rotate").await,
            Scenario::Denial => label(&self.team, None).await,
            Scenario::Deletion => {
                drop(self.team.tokens().delete(NAME, &DeleteParams::default()).await.expect("deleted"));
            }
        }
    }

    async fn annotate(&self, what: &str) {
        self.team.patch(NAME, annotation(what)).await;
    }

    /// Sets the `reconcile` annotation. An object that is being deleted may be gone by then.
    async fn request_reconcile(&self) {
        let change = Patch::Merge(annotation("reconcile"));
        match self.team.tokens().patch(NAME, &PatchParams::default(), &change).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            result => drop(result.expect("patched")),
        }
    }

    /// Whether the fault was not injected yet.
    pub fn is_pending(&self, proxy: &Proxy) -> bool {
        proxy.pending_namespaces().contains(&self.team.namespace) || !self.team.portal.faults().in_force().is_empty()
    }

    /// A persistent fault is reported, and then removed; then everything gets in order within the time limit.
    pub async fn finish(&self, proxy: &Proxy) -> CaseResult {
        let said = if self.column.is_persistent() { self.until_reported(proxy).await } else { Ok(String::new()) };
        let begun = Instant::now();
        let mut wrong = self.check(proxy).await;
        while wrong.is_some() && begun.elapsed() < LIMIT {
            tokio::time::sleep(POLL_INTERVAL).await;
            wrong = self.check(proxy).await;
        }
        let minted = self.team.portal.ledger().all().len();
        let wrong = said.as_ref().err().cloned().or(wrong);
        let (row, column, said) = (self.row, self.column, said.unwrap_or_default());
        let namespace = self.team.namespace.clone();
        CaseResult { namespace, row, column, took: begun.elapsed(), minted, reported_reason: said, failure: wrong }
    }

    /// Waits until the object reports the problem, and checks that it has no token too many.
    async fn until_reported(&self, proxy: &Proxy) -> Result<String, String> {
        let wanted = self.row.expected_reasons[usize::from(self.column == FaultColumn::Persistent(500))];
        let said = wait_for("it to report the problem", REPORT_LIMIT, async || {
            tokio::time::sleep(POLL_INTERVAL).await;
            let (live, said) = (self.team.portal.ledger().live().len(), self.reported_reason().await?);
            if live <= 1 && said == wanted { Ok(said) } else { Err(format!("{said}, and {live} live tokens")) }
        })
        .await;
        proxy.clear(&self.team.namespace);
        self.team.portal.faults().clear();
        said.map_err(|error| error.to_string())
    }

    /// The reported reason: in a condition, or in an event if the status cannot be written.
    async fn reported_reason(&self) -> Result<String, String> {
        let words = match self.column {
            FaultColumn::Persistent(status) if matches!(self.row.target, FaultTarget::Portal(_)) => status.to_string(),
            _ => FAKE_MESSAGE.to_owned(),
        };
        if matches!(
            self.row.target,
            FaultTarget::ApiServer(ProtocolStep::WriteStatus | ProtocolStep::DescriptionSynced)
        ) {
            let events: Api<Event> = Api::namespaced(self.team.client.clone(), &self.team.namespace);
            let all = events.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items;
            let mentions = |event: &&Event| event.message.as_ref().is_some_and(|message| message.contains(&words));
            let found = all.iter().find(mentions).and_then(|event| event.reason.clone());
            return found.map(|reason| format!("{reason} (event)")).ok_or_else(|| format!("{} events", all.len()));
        }
        let object = self.team.tokens().get(NAME).await.map_err(|error| error.to_string())?;
        let conditions = object.status.as_ref().map(|status| json!(status.conditions)).unwrap_or_default();
        let says = |kind: &str| {
            let one = condition(&object, kind)?;
            let speaks = one["message"].as_str().is_some_and(|message| message.contains(&words));
            let found = if speaks { one["reason"].as_str().map(str::to_owned) } else { None };
            // A working object stays ready, and reports the problem in another condition.
            found.filter(|_| kind != "Ready" || one["status"] != "True")
        };
        let found = ["Ready", "Reconciling", "Stalled", "DescriptionSynced"].into_iter().find_map(|kind| {
            let reason = says(kind)?;
            Some(if kind == "Ready" { reason } else { format!("{reason} ({kind})") })
        });
        found.ok_or_else(|| conditions.to_string())
    }

    /// What is wrong with the final state, if anything.
    async fn check(&self, proxy: &Proxy) -> Option<String> {
        if self.is_pending(proxy) {
            return Some("the fault was not injected".to_owned());
        }
        let Ok(object) = self.team.tokens().get_opt(NAME).await else { return Some("it cannot be read".to_owned()) };
        let Some(object) = object else {
            let live = self.team.portal.ledger().live().len();
            return (self.row.scenario != Scenario::Deletion || live > 0)
                .then(|| format!("it is deleted, and {live} tokens are live"));
        };
        // What the portal rejected is retried slowly, or when a user requests it.
        let (is, why, message) = ready(&object);
        if why == "RequestRejected" {
            self.request_reconcile().await;
        }
        if self.row.scenario == Scenario::Deletion {
            return Some(format!("it still exists: Ready={is} {why}: {message}"));
        }
        self.check_final_state(&object).await
    }
}

/// A patch that sets this annotation of the operator.
fn annotation(what: &str) -> Value {
    let key = format!("registry-token.dev/{what}");
    json!({"metadata": {"annotations": {key: "now"}}})
}
