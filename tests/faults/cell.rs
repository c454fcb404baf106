//! One cell of the matrix: an object of its own, with an issuer and a portal of its own.

use crate::control_plane::{ControlPlane, wait_for};
use crate::proxy::{MADE_UP, Proxy};
use crate::simulator::{Config, Fault, Operation};
use crate::stage::{Team, condition, ready, token};
use crate::steps::Step;
use crate::table::{Column, Course, Place, Row, Trouble};
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The object's name in each namespace.
pub const NAME: &str = "pull";
/// How long a cell may take from its mishap until its object is in order: the longest answer twice
/// over, and what backs off in between.
const LIMIT: Duration = Duration::from_secs(70);
/// How soon an object says what stands in its way.
const SOON: Duration = Duration::from_mins(1);
/// Many look at once.
const PAUSE: Duration = Duration::from_secs(1);

/// One cell.
pub struct Cell {
    pub row: Row,
    pub column: Column,
    pub trouble: Trouble,
    pub team: Team,
}

/// How a cell ended.
pub struct End {
    pub namespace: String,
    pub row: Row,
    pub column: Column,
    pub took: Duration,
    pub minted: usize,
    /// What the object said while the mishap stayed.
    pub said: String,
    pub wrong: Option<String>,
}

/// Without kubectl, of which so many cells would start hundreds.
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

impl Cell {
    /// Sets the stage for it.
    pub async fn new(control_plane: &'static ControlPlane, (row, column, trouble): (Row, Column, Trouble)) -> Self {
        let team = Team::bare(control_plane, "cell", Config::default()).await;
        create(team.secrets(), credentials()).await;
        let spec = team.issuer_spec(json!({}));
        create(team.issuers(), json!({"metadata": {"name": "portal"}, "spec": spec})).await;
        Self { row, column, trouble, team }
    }

    /// Lets the trouble come, and begins what it befalls.
    pub async fn begin(&self, proxy: &Proxy) {
        let mut object = token(NAME, "a cell of the matrix");
        object["spec"]["rotation"] = json!({"interval": "24h", "overlap": "1s"});
        let faults = self.team.portal.faults();
        if matches!(self.row.course, Course::Successor | Course::Last) {
            create(self.team.tokens(), object.clone()).await;
            self.team.until_settled(NAME).await;
        }
        if self.row.course == Course::Again {
            faults.once(Operation::Request, Fault::StatusAfter(504));
        }
        match self.trouble.clone() {
            Trouble::Server(steps, mishap) => proxy.arm(&self.team.namespace, steps, mishap, self.column.stays()),
            Trouble::Vendor(operation, fault) if self.column.stays() => faults.always(operation, fault),
            Trouble::Vendor(operation, fault) => faults.once(operation, fault),
        }
        match self.row.course {
            Course::First | Course::Again => create(self.team.tokens(), object).await,
            Course::Successor => self.annotate("rotate").await,
            Course::Last => drop(self.team.tokens().delete(NAME, &DeleteParams::default()).await.expect("deleted")),
        }
    }

    pub async fn annotate(&self, what: &str) {
        let key = format!("registry-token.dev/{what}");
        self.team.patch(NAME, json!({"metadata": {"annotations": {key: "now"}}})).await;
    }

    /// The mishap has yet to come.
    pub fn waits(&self, proxy: &Proxy) -> bool {
        proxy.waiting().contains(&self.team.namespace) || !self.team.portal.faults().in_force().is_empty()
    }

    /// A mishap that stays is said, and then lifted; then all comes to be in order, for as long as that
    /// may take.
    pub async fn end(&self, proxy: &Proxy) -> End {
        let said = if self.column.stays() { self.watch(proxy).await } else { Ok(String::new()) };
        let begun = Instant::now();
        let mut wrong = self.look(proxy).await;
        while wrong.is_some() && begun.elapsed() < LIMIT {
            tokio::time::sleep(PAUSE).await;
            wrong = self.look(proxy).await;
        }
        let minted = self.team.portal.ledger().all().len();
        let wrong = said.as_ref().err().cloned().or(wrong);
        let (row, column, said) = (self.row, self.column, said.unwrap_or_default());
        let namespace = self.team.namespace.clone();
        End { namespace, row, column, took: begun.elapsed(), minted, said, wrong }
    }

    /// Waits until the object says what stands in its way, with no token more than it may have.
    async fn watch(&self, proxy: &Proxy) -> Result<String, String> {
        let wanted = self.row.says[usize::from(self.column == Column::Stays(500))];
        let said = wait_for("it to say why not", SOON, async || {
            tokio::time::sleep(PAUSE).await;
            let (live, said) = (self.team.portal.ledger().live().len(), self.says().await?);
            if live <= 1 && said == wanted { Ok(said) } else { Err(format!("{said}, and {live} tokens live")) }
        })
        .await;
        proxy.lift(&self.team.namespace);
        self.team.portal.faults().clear();
        said.map_err(|error| error.to_string())
    }

    /// The word for what stands in its way: in a condition, or where none can be written in an event.
    async fn says(&self) -> Result<String, String> {
        let words = match self.column {
            Column::Stays(status) if matches!(self.row.place, Place::Vendor(_)) => status.to_string(),
            _ => MADE_UP.to_owned(),
        };
        if matches!(self.row.place, Place::Server(Step::Status | Step::Settled)) {
            let events: Api<Event> = Api::namespaced(self.team.client.clone(), &self.team.namespace);
            let all = events.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items;
            let told = |event: &&Event| event.message.as_ref().is_some_and(|message| message.contains(&words));
            let found = all.iter().find(told).and_then(|event| event.reason.clone());
            return found.map(|reason| format!("{reason} (event)")).ok_or_else(|| format!("{} events", all.len()));
        }
        let object = self.team.tokens().get(NAME).await.map_err(|error| error.to_string())?;
        let conditions = object.status.as_ref().map(|status| json!(status.conditions)).unwrap_or_default();
        let says = |kind: &str| {
            let one = condition(&object, kind)?;
            let speaks = one["message"].as_str().is_some_and(|message| message.contains(&words));
            let found = if speaks { one["reason"].as_str().map(str::to_owned) } else { None };
            // What works is ready, and says beside that what hinders.
            found.filter(|_| kind != "Ready" || one["status"] != "True")
        };
        let found = ["Ready", "Reconciling", "Stalled", "DescriptionSynced"].into_iter().find_map(|kind| {
            let reason = says(kind)?;
            Some(if kind == "Ready" { reason } else { format!("{reason} ({kind})") })
        });
        found.ok_or_else(|| conditions.to_string())
    }

    /// What is not as it should be in the end.
    async fn look(&self, proxy: &Proxy) -> Option<String> {
        if self.waits(proxy) {
            return Some("the mishap has not come".to_owned());
        }
        let Ok(object) = self.team.tokens().get_opt(NAME).await else { return Some("it cannot be read".to_owned()) };
        let Some(object) = object else {
            let live = self.team.portal.ledger().live().len();
            return (self.row.course != Course::Last || live > 0)
                .then(|| format!("it is gone, and {live} tokens live"));
        };
        // What the portal refused is tried again slowly, or when a person asks.
        let (is, why, message) = ready(&object);
        if why == "RequestRefused" {
            self.annotate("reconcile").await;
        }
        if self.row.course == Course::Last {
            return Some(format!("it is still there: Ready={is} {why}: {message}"));
        }
        self.disorder(&object).await
    }
}
