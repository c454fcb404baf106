//! The phases of a run: kills, two operators at once, frozen operators, API server outages; then it quiesces, and
//! tokens are counted.

use super::fault_schedule::inject_faults;
use super::report::ChaosReport;
use super::rng::Rng;
use super::workload::{Counters, Workload};
use crate::control_plane::{ControlPlane, Options};
use crate::fake_portal::Config;
use crate::fixture::Team;
use crate::operator_process::{self, Operator};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest time in which a response may arrive, with a `requestTimeout` of 3 s: an operator that is frozen for
/// longer finds it gone.
const LONGEST_ANSWER: Duration = Duration::from_secs(13);
/// How long quiescing may take: an audit each minute, and before it the wait for late responses.
const QUIESCE_LIMIT: Duration = Duration::from_mins(6);

/// Short times, so that each successor of a killed operator takes over before it is killed too.
const LEADER_ELECTION: [&str; 4] = [
    "--leader-elect",
    "--leader-election-lease-duration=1s",
    "--leader-election-renew-deadline=700ms",
    "--leader-election-retry-period=200ms",
];
/// How long a successor waits at most: for the Lease, and for its next read of it.
const TAKEOVER: Duration = Duration::from_millis(1_200);

/// The extent of a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub objects: u64,
    /// Kills of a single operator.
    pub kills: u64,
    /// Kills of one of two operators.
    pub pair_kills: u64,
    /// Operators that are frozen for longer than every timeout while another one works.
    pub freezes: u64,
    /// Kills of the API server and etcd.
    pub outages: u64,
    /// The longest pause between two operations of the workload, in milliseconds.
    pub pause: u64,
    /// Whether operators elect a leader. Otherwise all of them work.
    pub leader_election: bool,
}

/// The result of a run.
pub struct ChaosResult {
    pub plan: Plan,
    pub phases: Vec<(&'static str, u64, Duration)>,
    pub counters: Counters,
    pub minted: usize,
    pub panics: usize,
    /// Kills of an operator that was working: its caches were synced and, with leader election, it had become the leader.
    pub at_work: u64,
    pub report: ChaosReport,
}

/// The state that the phases share.
struct ChaosRun<'a> {
    binary: &'a Path,
    team: &'a Team,
    kubeconfig: PathBuf,
    rng: Rng,
    leader_election: bool,
    panics: usize,
    at_work: u64,
}

impl ChaosRun<'_> {
    /// A token of the `ServiceAccount` is valid for an hour; each phase gets a new one.
    async fn renew_kubeconfig(&mut self) {
        self.kubeconfig = operator_process::kubeconfig(self.team.control_plane).await.expect("a kubeconfig");
    }

    fn start(&self) -> Operator {
        let mut options = operator_process::Options { log: "info", ..operator_process::Options::default() };
        if self.leader_election {
            options.flags.extend(LEADER_ELECTION);
        }
        Operator::spawn(self.binary, &self.kubeconfig, &options).expect("starts")
    }

    fn kill(&mut self, operator: Operator) {
        let log = operator.kill();
        self.panics += log.matches("panicked at").count();
        let works = if self.leader_election { "became the leader" } else { "caches synced" };
        self.at_work += u64::from(log.contains(works));
    }

    /// How long an operator runs: sometimes too briefly for its caches to sync, mostly so long that it is killed while
    /// it works, and now and then long enough to clean up what its predecessors left behind.
    fn random_lifetime(&mut self) -> Duration {
        let working = match self.rng.below(100) {
            0..2 => LONGEST_ANSWER + Duration::from_secs(3),
            2..22 => self.rng.millis(30, 700),
            22..90 => self.rng.millis(700, 1_600),
            _ => self.rng.millis(1_600, 3_500),
        };
        if self.leader_election { TAKEOVER + working } else { working }
    }

    async fn kill_repeatedly(&mut self, count: u64) {
        for done in 1..=count {
            let operator = self.start();
            tokio::time::sleep(self.random_lifetime()).await;
            self.kill(operator);
            if done.is_multiple_of(50) {
                eprintln!("chaos: {done} of {count} killed, {} tokens so far", self.team.portal.ledger().all().len());
            }
        }
    }

    /// Two operators, as in a rolling update that goes wrong; a killed one is restarted.
    async fn kill_one_of_two(&mut self, kills: u64) {
        let mut both = [self.start(), self.start()];
        for _ in 0..kills {
            tokio::time::sleep(self.random_lifetime()).await;
            let which = usize::try_from(self.rng.below(2)).unwrap_or_default();
            let fresh = self.start();
            let former = std::mem::replace(&mut both[which], fresh);
            self.kill(former);
        }
        // Undisturbed for once, and long enough for each to consider the other dead.
        tokio::time::sleep(LONGEST_ANSWER).await;
        for operator in both {
            self.kill(operator);
        }
    }

    /// An operator is frozen while it works, another one takes over, and the first resumes.
    async fn freeze_repeatedly(&mut self, count: u64) {
        for _ in 0..count {
            let frozen = self.start();
            tokio::time::sleep(self.rng.millis(300, 3_000)).await;
            frozen.signal("STOP");
            let successor = self.start();
            tokio::time::sleep(LONGEST_ANSWER + Duration::from_secs(12)).await;
            frozen.signal("CONT");
            tokio::time::sleep(self.rng.millis(1_000, 4_000)).await;
            self.kill(frozen);
            self.kill(successor);
        }
    }

    /// The API server and etcd are killed under a working operator and come back with the stored data.
    async fn restart_api_server(&mut self, count: u64) {
        let operator = self.start();
        for _ in 0..count {
            tokio::time::sleep(self.rng.millis(500, 4_000)).await;
            self.team.control_plane.restart().await.expect("the control plane comes back");
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.kill(operator);
    }
}

/// Runs all phases on a separate control plane.
pub async fn run(binary: &Path, plan: Plan) -> ChaosResult {
    println!("chaos: SEED={} repeats every random choice of this run", plan.seed);
    let control_plane = ControlPlane::start_for_test(Options::default()).await.expect("starts");
    operator_process::install(control_plane).await.expect("installed");
    let portal = Config { latency: Duration::from_millis(30), ..Config::default() };
    let team = Team::bare(control_plane, "chaos", portal).await;
    team.credentials("portal-password").await;
    team.issuer(json!({"audit": {"interval": "1m"}})).await;

    let (mut rng, counters) = (Rng::from_seed(plan.seed), Counters::default());
    let workload = Workload { team: &team, objects: plan.objects, pause: plan.pause, counters: &counters };
    let (workload_rng, fault_rng) = (rng.fork(), rng.fork());
    let mut chaos_run = ChaosRun {
        binary,
        team: &team,
        kubeconfig: PathBuf::new(),
        rng: rng.fork(),
        leader_election: plan.leader_election,
        panics: 0,
        at_work: 0,
    };
    let mut phases = tokio::select! {
        () = workload.run(workload_rng) => vec![],
        () = inject_faults(team.portal.faults(), fault_rng) => vec![],
        phases = run_phases(&mut chaos_run, plan) => phases,
    };

    team.portal.faults().clear();
    // Tokens that the final phase requests do not count.
    let minted = team.portal.ledger().all().len();
    let begun = Instant::now();
    chaos_run.renew_kubeconfig().await;
    let last = chaos_run.start();
    workload.create_missing(&mut rng).await;
    let report = ChaosReport::when_idle(&team, QUIESCE_LIMIT).await;
    phases.push(("quiet", 0, begun.elapsed()));
    let log = last.kill();
    if !report.is_clean() {
        eprintln!("{log}");
        eprintln!("{}", report.details);
        eprintln!("{}", tail(&control_plane.folder().join("kube-controller-manager.log")));
    }
    let panics = chaos_run.panics + log.matches("panicked at").count();
    ChaosResult { plan, phases, minted, panics, at_work: chaos_run.at_work, report, counters }
}

/// The last lines of a log.
fn tail(path: &Path) -> String {
    let log = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

async fn run_phases(chaos_run: &mut ChaosRun<'_>, plan: Plan) -> Vec<(&'static str, u64, Duration)> {
    let mut phases = vec![];
    for (phase, kills) in [
        ("one operator, killed", plan.kills),
        ("two operators, killed", plan.pair_kills),
        ("frozen", 0),
        ("outages", 0),
    ] {
        eprintln!("chaos: {phase}");
        let begun = Instant::now();
        chaos_run.renew_kubeconfig().await;
        match phase {
            "frozen" => chaos_run.freeze_repeatedly(plan.freezes).await,
            "outages" => chaos_run.restart_api_server(plan.outages).await,
            "two operators, killed" => chaos_run.kill_one_of_two(kills).await,
            _ => chaos_run.kill_repeatedly(kills).await,
        }
        phases.push((phase, kills, begun.elapsed()));
    }
    phases
}
