//! Leader election: performs the requests of [`Election`], and extends and ends the claim.
//!
//! It starts when the caches are synced, so that an instance that cannot work yet does not become the leader.

mod lease;

use self::lease::{LeaseAccess, LeaseError};
use super::context::{Context, SharedContext};
use crate::domain::leader_election::{Change, Election, HolderProblem, OtherHolder, Request, Response, Timing};
use crate::health::readiness::Readiness;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// After shutdown starts, the Lease is released within this time, or it expires.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// Which Lease, and its times.
#[derive(Clone, Debug)]
pub struct ElectionSettings {
    /// The namespace of the Lease.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What the instances of this installation share, and other installations do not: namespace and name of the Secret
    /// with the MAC keys.
    pub installation: String,
    /// Its times.
    pub timing: Timing,
}

/// Takes part in the election until shutdown, and then releases the Lease.
pub async fn run(ctx: SharedContext, settings: ElectionSettings, readiness: Arc<Readiness>) {
    ctx.metrics.set_leader(&settings.name, false);
    tokio::select! {
        () = ctx.wait_for_caches() => {}
        () = ctx.stop.cancelled() => return,
    }
    let lease = LeaseAccess::new(&ctx, &settings);
    let reports = Reports { settings, readiness, leads: false, holder: None, failing: false };
    Elector { ctx, lease, reports, started: Instant::now() }.run().await;
}

struct Elector {
    ctx: SharedContext,
    lease: LeaseAccess,
    reports: Reports,
    /// The origin of the election's time.
    started: Instant,
}

impl Elector {
    async fn run(mut self) {
        let timing = self.reports.settings.timing;
        let (mut election, mut request) = Election::start(self.ctx.identity.clone(), timing, self.started.elapsed());
        loop {
            let Some(response) = self.perform(request, &timing).await else { break };
            (election, request) = election.step(response, self.started.elapsed());
            match election.claim_until() {
                Some(until) => {
                    if !self.ctx.claim.hold_until(self.started + until) {
                        self.reports.set_leader(&self.ctx, false);
                    }
                }
                None => self.ctx.claim.end(),
            }
            self.report_leadership();
            self.reports.set_holder(election.other_holder(), self.lease.other_installation());
        }
        // No call changes anything at a portal from here on. Passes in flight store the tokens that they have requested.
        self.ctx.claim.end();
        self.report_leadership();
        if tokio::time::timeout(RELEASE_TIMEOUT, self.release(election, &timing)).await.is_err() {
            tracing::warn!("the Lease could not be released: it expires");
        }
    }

    /// Performs a request. `None` when shutdown starts. A claim that ends meanwhile is reported at once.
    async fn perform(&mut self, request: Request, timing: &Timing) -> Option<Response> {
        let Self { ctx, lease, reports, .. } = self;
        let mut response = pin!(async {
            if request == Request::Update(Change::TakeOver) {
                prepare_keys(ctx, lease.other_installation()).await?;
            }
            lease.perform(request, timing.request_timeout()).await
        });
        loop {
            tokio::select! {
                () = ctx.stop.cancelled() => return None,
                response = &mut response => return Some(reports.response(request, response)),
                () = ctx.claim.expired() => {
                    ctx.claim.end();
                    reports.set_leader(ctx, false);
                }
            }
        }
    }

    async fn release(&mut self, election: Election, timing: &Timing) {
        let (mut election, mut request) = election.stop(self.started.elapsed());
        while request != Request::End {
            let response = self.lease.perform(request, timing.request_timeout()).await;
            let response = self.reports.response(request, response);
            (election, request) = election.step(response, self.started.elapsed());
        }
    }

    fn report_leadership(&mut self) {
        let leads = self.ctx.claim.is_held();
        self.reports.set_leader(&self.ctx, leads);
    }
}

/// Before the Lease is taken over: the former leader may have signed with keys that this instance does not know. Those of
/// another installation are never known, and its tokens would count as forged.
async fn prepare_keys(ctx: &Context, other_installation: Option<&str>) -> Result<(), LeaseError> {
    let Some(former) = other_installation else {
        ctx.keyring.refresh(ctx).await;
        return Ok(());
    };
    ctx.keyring.expect_other_keys(ctx).await.map_err(|error| LeaseError::Unavailable(error.to_string()))?;
    tracing::warn!(
        former,
        "taking over from another installation of this operator: its tokens are verified again by their logins"
    );
    Ok(())
}

/// What log, metrics and health say.
struct Reports {
    settings: ElectionSettings,
    readiness: Arc<Readiness>,
    leads: bool,
    holder: Option<OtherHolder>,
    failing: bool,
}

impl Reports {
    fn set_leader(&mut self, ctx: &SharedContext, leads: bool) {
        if std::mem::replace(&mut self.leads, leads) == leads {
            return;
        }
        let ElectionSettings { namespace, name, .. } = &self.settings;
        ctx.metrics.set_leader(name, leads);
        if !leads {
            let identity = &ctx.identity;
            if ctx.stop.is_cancelled() {
                tracing::info!(lease = name, namespace, identity, "stopping: not the leader any more");
            } else {
                tracing::warn!(lease = name, namespace, identity, "not the leader any more: the Lease was not renewed");
            }
            return;
        }
        tracing::info!(lease = name, namespace, identity = ctx.identity, "became the leader");
        let ctx = Arc::clone(ctx);
        // Not awaited, because the Lease has to be renewed meanwhile.
        tokio::spawn(async move {
            tokio::select! {
                () = ctx.start_leading() => {}
                () = ctx.stop.cancelled() => {}
            }
        });
    }

    /// Reports another holder once. Replicas of an installation wait for each other; an installation that waits for
    /// another one is not ready, because it may be there by mistake.
    fn set_holder(&mut self, holder: Option<OtherHolder>, installation: Option<&str>) {
        if holder == self.holder {
            return;
        }
        let ElectionSettings { namespace, name, .. } = &self.settings;
        let problem = holder.as_ref().zip(installation).map(|(holder, installation)| {
            let identity = &holder.identity;
            format!(
                "another installation of this operator is active: {identity} of {installation} holds the Lease {namespace}/{name}. This one waits and changes nothing until that one is uninstalled. Keep one installation per cluster"
            )
        });
        if let Some(problem) = &problem {
            tracing::warn!(lease = name, namespace, "{problem}");
        }
        self.readiness.set_lease_problem(problem);
        if let Some(OtherHolder { identity, problem }) = &holder {
            match problem {
                None => tracing::info!(lease = name, namespace, holder = identity, "another instance is the leader"),
                Some(HolderProblem::OtherProgram) => tracing::warn!(
                    lease = name,
                    namespace,
                    holder = identity,
                    "another program holds the Lease, and this operator waits for it: set --leader-election-id to a name that no other program uses"
                ),
                Some(HolderProblem::NeverExpires) => tracing::warn!(
                    lease = name,
                    namespace,
                    holder = identity,
                    "the Lease does not expire within an hour, and this operator waits until its holder releases it: if no program uses it, delete the Lease"
                ),
            }
        }
        self.holder = holder;
    }

    /// Reports a failed request, once until one succeeds.
    fn response(&mut self, request: Request, response: Result<Response, LeaseError>) -> Response {
        let ElectionSettings { namespace, name, .. } = &self.settings;
        match response {
            Ok(Response::Absent) if request == Request::Create => {
                let text = format!(
                    "waiting for the Lease: the namespace {namespace} of --leader-election-namespace is absent"
                );
                self.readiness.set_lease_problem(Some(text.clone()));
                self.fail(&text);
                Response::Absent
            }
            Ok(response) => {
                if response != Response::Slept && std::mem::take(&mut self.failing) {
                    self.readiness.set_lease_problem(None);
                }
                response
            }
            Err(LeaseError::Rejected(why)) => {
                let text = format!(
                    "waiting for the Lease {name}: {why}. Allow the ServiceAccount to get, create and update leases.coordination.k8s.io in the namespace {namespace} (see deploy/base/leader-election.yaml), or run a single instance with --leader-elect=false"
                );
                self.readiness.set_lease_problem(Some(text.clone()));
                self.fail(&text);
                Response::Failed
            }
            Err(LeaseError::Unavailable(why)) => {
                self.fail(&format!("no response about the Lease: {why}"));
                Response::Failed
            }
        }
    }

    fn fail(&mut self, detail: &str) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(detail, "leader election");
        }
    }
}
