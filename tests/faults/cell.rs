//! One cell of the matrix: an object of its own, with an issuer and a portal of its own.

use crate::proxy::{Mishap, Proxy, Step};
use crate::simulator::{Config, Fault, Operation};
use crate::stage::{Team, condition, ready, token};
use kube::ResourceExt;
use registry_token_operator::api::{ATTEMPT_ANNOTATION, TOKEN_ID_ANNOTATION};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The object's name in each namespace.
pub const NAME: &str = "pull";
/// How long a cell may take from its mishap until its object is ready: the longest answer twice
/// over, and what backs off in between.
const LIMIT: Duration = Duration::from_secs(70);

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// At the API server.
    Server(Step, Mishap),
    /// At the portal.
    Portal(Operation, Fault),
}

/// One cell.
pub struct Cell {
    pub row: &'static str,
    pub column: &'static str,
    pub trouble: Trouble,
    pub team: Team,
}

/// How a cell ended.
pub struct End {
    pub row: &'static str,
    pub column: &'static str,
    pub took: Duration,
    pub minted: usize,
    pub wrong: Option<String>,
}

impl Cell {
    /// Sets the stage for it.
    pub async fn new(
        control_plane: &'static crate::control_plane::ControlPlane,
        (row, column, trouble): (&'static str, &'static str, Trouble),
    ) -> Self {
        let team = Team::bare(control_plane, "cell", Config::default()).await;
        team.credentials("portal-password").await;
        team.issuer(json!({})).await;
        Self { row, column, trouble, team }
    }

    /// Lets the trouble come, and begins what it befalls.
    pub async fn begin(&self, proxy: &Proxy) {
        let mut object = token(NAME, "a cell of the matrix");
        object["spec"]["rotation"] = json!({"interval": "24h", "overlap": "1s"});
        // A dry run is made where there is a Secret already: for the successor of a token.
        if self.is_of_a_successor() {
            self.team.apply(object.clone()).await;
            self.team.until_settled(NAME).await;
        }
        match &self.trouble {
            Trouble::Server(step, mishap) => proxy.arm(&self.team.namespace, *step, *mishap),
            Trouble::Portal(operation, fault) => self.team.portal.faults().once(*operation, fault.clone()),
        }
        if self.is_of_a_successor() {
            self.team.patch(NAME, json!({"metadata": {"annotations": {"registry-token.dev/rotate": "now"}}})).await;
        } else {
            self.team.apply(object).await;
        }
    }

    const fn is_of_a_successor(&self) -> bool {
        matches!(self.trouble, Trouble::Server(Step::DryRun, _))
    }

    /// The portal's refusal of a description stands until somebody writes another one.
    fn is_final(&self) -> bool {
        matches!(self.trouble, Trouble::Portal(Operation::Edit, Fault::Status(409 | 422)))
    }

    /// A request that the portal refused is tried again slowly, or when a person asks.
    fn waits_for_a_person(&self) -> bool {
        matches!(self.trouble, Trouble::Portal(Operation::Request, Fault::Status(409 | 422)))
    }

    /// Whether a mishap at the portal has come.
    pub fn portal_struck(&self) -> bool {
        matches!(self.trouble, Trouble::Server(..)) || self.team.portal.faults().in_force().is_empty()
    }

    /// Waits until all is in order, for as long as it may take.
    pub async fn end(&self, proxy: &Proxy) -> End {
        let begun = Instant::now();
        let mut wrong = self.look(proxy).await;
        while wrong.is_some() && begun.elapsed() < LIMIT {
            tokio::time::sleep(Duration::from_millis(200)).await;
            wrong = self.look(proxy).await;
        }
        let minted = self.team.portal.ledger().all().len();
        End { row: self.row, column: self.column, took: begun.elapsed(), minted, wrong }
    }

    /// What is not as it should be in the end.
    async fn look(&self, proxy: &Proxy) -> Option<String> {
        if proxy.waiting().contains(&self.team.namespace) || !self.portal_struck() {
            return Some("the mishap has not come".to_owned());
        }
        let Ok(object) = self.team.tokens().get(NAME).await else { return Some("there is no object".to_owned()) };
        let (is, why, message) = ready(&object);
        if self.waits_for_a_person() && why == "RequestRefused" {
            let asked = json!({"metadata": {"annotations": {"registry-token.dev/reconcile": "now"}}});
            self.team.patch(NAME, asked).await;
        }
        let synced = condition(&object, "DescriptionSynced").unwrap_or_default();
        let wanted = if self.is_final() { ("False", "EditRefused") } else { ("True", "Synced") };
        if is != "True" || synced["status"] != wanted.0 || synced["reason"] != wanted.1 {
            return Some(format!("Ready={is} {why}: {message}; DescriptionSynced is {synced}"));
        }
        let live = self.team.portal.ledger().live();
        let [token] = live.as_slice() else { return Some(format!("{} tokens live", live.len())) };
        let status = object.status.clone().unwrap_or_default();
        if self.is_of_a_successor() && status.handled_annotations.get("rotate").map(String::as_str) != Some("now") {
            return Some("the token has no successor yet".to_owned());
        }
        if status.token.as_ref().map(|token| &token.username) != Some(&token.username) || !status.retiring.is_empty() {
            return Some(format!("status names {:?} and {:?}", status.token, status.retiring));
        }
        let Ok(secret) = self.team.secrets().get(NAME).await else { return Some("there is no Secret".to_owned()) };
        let annotations = secret.annotations();
        if annotations.contains_key(ATTEMPT_ANNOTATION) || annotations.get(TOKEN_ID_ANNOTATION) != Some(&token.key) {
            return Some(format!("the Secret says {annotations:?}"));
        }
        let content = secret.data.as_ref().and_then(|data| data.get(".dockerconfigjson"));
        let content: Value = content.and_then(|bytes| serde_json::from_slice(&bytes.0).ok()).unwrap_or_default();
        let holds = content["auths"][self.team.portal.registry_host()]["password"] == token.secret.as_str();
        (!holds).then(|| "the Secret holds another login".to_owned())
    }
}
