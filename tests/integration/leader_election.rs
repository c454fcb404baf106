//! Leader election: who works, how long a takeover takes, and what is missing.

use crate::control_plane::{AuditEvent, ControlPlane, eventually};
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, binary, own_control_plane_with, start_operator_with};
use crate::operator_process::{self, Operator, Options};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The Lease.
const NAMESPACE: &str = "kube-system";
const NAME: &str = "registry-token-operator";
/// The defaults.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
const RETRY_PERIOD: Duration = Duration::from_secs(2);
/// What a takeover may take beyond the wait for the Lease.
pub const TAKEOVER: Duration = Duration::from_secs(2);

/// Options with leader election and its default times.
pub fn elected() -> Options {
    let mut options = Options::default();
    options.flags.push("--leader-elect");
    options
}

/// How often the takeovers of this file are repeated.
fn rounds() -> usize {
    std::env::var("TAKEOVERS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

pub async fn is_leader(operator: &Operator) -> bool {
    let metrics = operator.metrics().await;
    metrics.lines().any(|line| line == "leader_election_master_status{name=\"registry-token-operator\"} 1")
}

/// Waits until this operator leads; returns for how long.
pub async fn until_leads(operator: &Operator) -> Duration {
    let started = Instant::now();
    while !is_leader(operator).await {
        assert!(started.elapsed() < LIMIT, "it does not become the leader: {}", operator.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    started.elapsed()
}

/// The changes of the portal that this operator has made since its log had this length.
pub fn changes(operator: &Operator, since: usize) -> Vec<String> {
    let is_change = |line: &&str| {
        let kinds = ["Request", "Edit", "Revoke"];
        line.contains("portal called") && kinds.iter().any(|kind| line.contains(&format!("\"call\":\"{kind}\"")))
    };
    operator.log()[since..].lines().filter(is_change).map(str::to_owned).collect()
}

/// The portal created exactly one token for each object.
pub fn assert_one_token_each(team: &Team, objects: usize) {
    assert_eq!(team.portal.ledger().all().len(), objects, "{:?}", team.portal.ledger().all());
    assert_eq!(team.portal.ledger().live().len(), objects, "none is lost");
}

fn leases(team: &Team) -> Api<Lease> {
    Api::namespaced(team.client.clone(), NAMESPACE)
}

fn is_by_operator(event: &AuditEvent) -> bool {
    event.user_agent.starts_with("registry-token-operator/")
}

#[tokio::test]
async fn a_standby_takes_over_soon_after_the_leader_stops_or_dies() {
    let (control_plane, mut leader) = own_control_plane_with(elected()).await;
    let team = Team::on(control_plane, "takeover", Config::default(), json!({})).await;
    let mut count = 0;
    for round in 1..=rounds() {
        for (signal, limit) in [("TERM", TAKEOVER), ("KILL", LEASE_DURATION + TAKEOVER)] {
            let standby = start_operator_with(control_plane, &elected()).await;
            until_leads(&leader).await;
            assert!(!is_leader(&standby).await, "it is ready, and waits");
            let name = format!("pull-{count}");
            team.token(&name, "of the leader").await;
            team.until_synced(&name).await;
            assert!(!changes(&leader, 0).is_empty(), "the leader requested it");
            assert!(changes(&standby, 0).is_empty(), "a standby changes nothing");

            let former = std::mem::replace(&mut leader, standby);
            former.signal(signal);
            let took = until_leads(&leader).await;
            println!("round {round}: takeover after SIG{signal} took {took:?}");
            assert!(took < limit, "after SIG{signal}: {took:?}");
            let log = if signal == "TERM" { former.terminate().await } else { former.kill() };
            assert_eq!(log.contains("not the leader any more"), signal == "TERM", "{log}");
            count += 1;
        }
    }
    team.token("last", "of the successor").await;
    team.until_synced("last").await;
    assert_one_token_each(&team, count + 1);
    let lease = leases(&team).get(NAME).await.expect("a Lease");
    let transitions = lease.spec.and_then(|spec| spec.lease_transitions);
    assert_eq!(transitions, i32::try_from(count).ok(), "one for each takeover");
}

#[tokio::test]
async fn at_rest_only_the_lease_is_written_once_per_retry_period() {
    let (control_plane, leader) = own_control_plane_with(elected()).await;
    let team = Team::on(control_plane, "rest", Config::default(), json!({})).await;
    let standby = start_operator_with(control_plane, &elected()).await;
    until_leads(&leader).await;
    team.token("pull", "rests").await;
    team.until_synced("pull").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let audit = control_plane.audit().expect("audit");
    let (position, calls) = (audit.position().await.expect("position"), team.portal.ledger().position());
    tokio::time::sleep(RETRY_PERIOD * 10).await;
    let events = audit.since(position).await.expect("read").filter(is_by_operator);
    let writes = events.writes();
    assert!(writes.iter().all(|event| event.resource == "leases" && event.verb == "update"), "{writes:?}");
    assert!((9..=11).contains(&writes.len()), "{}: {writes:?}", writes.len());
    let asked = team.portal.ledger().requests_since(calls);
    assert!(!asked.iter().any(|request| request.operation.is_task()), "{asked:?}");
    assert!(is_leader(&leader).await && !is_leader(&standby).await);
}

#[tokio::test]
async fn a_token_that_was_requested_before_a_stop_is_stored_while_the_successor_leads() {
    let (control_plane, leader) = own_control_plane_with(elected()).await;
    // The issuer waits three seconds for a response.
    let slow = Config { latency: Duration::from_millis(2_500), ..Config::default() };
    let team = Team::on(control_plane, "in-flight", slow, json!({})).await;
    let standby = start_operator_with(control_plane, &elected()).await;
    until_leads(&leader).await;
    team.token("pull", "requested by the former leader").await;
    eventually("the token request to be sent", LIMIT, async || {
        let log = leader.log();
        if log.contains("RequestToken {") { Ok(()) } else { Err(log) }
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    leader.signal("TERM");
    let took = until_leads(&standby).await;
    println!("takeover while a token request is in flight took {took:?}");
    assert!(took < TAKEOVER, "{took:?}");
    let before = leader.log().len();
    eventually("the former leader to store the token", LIMIT, async || {
        let secret = team.secrets().get_opt("pull").await.map_err(|error| error.to_string())?;
        let annotations = secret.and_then(|secret| secret.metadata.annotations).unwrap_or_default();
        let stored = annotations.contains_key("registry-token.dev/stored");
        if stored { Ok(()) } else { Err(format!("{annotations:?}")) }
    })
    .await;
    let (code, log) = leader.ended().await;
    assert_eq!(code, Some(0), "{log}");
    let edited = log[before..].lines().any(|line| line.contains("\"call\":\"Edit\""));
    assert!(!edited, "the successor does the rest: {log}");
    team.until_synced("pull").await;
    assert_one_token_each(&team, 1);
}

pub async fn until_logged(operator: &Operator, text: &str) {
    eventually(&format!("{text:?} in the log"), LIMIT, async || {
        let log = operator.log();
        if log.contains(text) { Ok(()) } else { Err(log) }
    })
    .await;
}

fn lease_of(holder: &str, seconds: Option<i32>) -> Lease {
    let lease: Value = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds},
    });
    serde_json::from_value(lease).expect("a Lease")
}

/// Starts an operator that works in spite of the elections of others, and checks that it does.
async fn prepare(name: &str) -> (&'static ControlPlane, Team) {
    let (control_plane, working) = own_control_plane_with(Options::default()).await;
    let team = Team::on(control_plane, name, Config::default(), json!({})).await;
    team.token("first", "without leader election").await;
    team.until_synced("first").await;
    working.terminate().await;
    (control_plane, team)
}

#[tokio::test]
async fn the_lease_of_another_program_is_awaited_and_reported() {
    let (control_plane, team) = prepare("foreign-lease").await;
    let (leases, post) = (leases(&team), PostParams::default());
    leases.create(&post, &lease_of("host_3f8a1c52-9d3e-4a2b-8a53-cc5e0d3d3c14", Some(3_000))).await.expect("created");
    let waiting = start_operator_with(control_plane, &elected()).await;
    until_logged(&waiting, "another program holds the Lease").await;
    until_logged(&waiting, "--leader-election-id").await;
    let forever = Patch::Merge(json!({"spec": {"leaseDurationSeconds": null}}));
    leases.patch(NAME, &PatchParams::default(), &forever).await.expect("patched");
    until_logged(&waiting, "delete the Lease").await;
    team.token("second", "waits").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!is_leader(&waiting).await && changes(&waiting, 0).is_empty(), "{}", waiting.log());
    leases.delete(NAME, &DeleteParams::default()).await.expect("deleted");
    team.until_synced("second").await;
    assert!(is_leader(&waiting).await);
    assert_one_token_each(&team, 2);
}

#[tokio::test]
async fn without_permission_it_says_what_is_missing_and_works_when_it_is_granted() {
    let (control_plane, team) = prepare("no-permission").await;
    let kubeconfig = operator_process::kubeconfig(control_plane).await.expect("kubeconfig");
    let role = ["delete", "clusterrole", "registry-token-operator-leader-election"];
    control_plane.kubectl_ok(&role, None).await.expect("deleted");
    let mut waiting = Operator::spawn(binary(), &kubeconfig, &elected()).expect("spawned");
    until_logged(&waiting, "leases.coordination.k8s.io").await;
    let ready = waiting.health("readyz").await;
    for part in ["get, create and update", NAMESPACE, "deploy/base/leader-election.yaml", "--leader-elect=false"] {
        assert!(ready.contains(part), "{part}: {ready}");
    }
    assert!(waiting.health("livez").await.starts_with("ok"));
    team.token("second", "waits").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(changes(&waiting, 0).is_empty());
    operator_process::kubeconfig(control_plane).await.expect("applied");
    waiting.until_ready().await.expect("ready");
    team.until_synced("second").await;
}

#[tokio::test]
async fn times_that_do_not_fit_together_end_the_process_with_the_flag_to_change() {
    let output = tokio::process::Command::new(binary())
        .args(["run", "--leader-election-renew-deadline=15s"])
        .output()
        .await
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("--leader-election-renew-deadline is 15s"), "{text}");
}
