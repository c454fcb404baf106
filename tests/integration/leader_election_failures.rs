//! A leader that is frozen, or cannot renew its Lease, makes no change any more once another may lead.

use crate::api_proxy::{self, ResponseFault};
use crate::control_plane::ControlPlane;
use crate::fake_portal::Config;
use crate::fixture::{Team, binary, own_control_plane_with, start_operator_with};
use crate::leader_election::{
    LEASE_DURATION, RENEW_DEADLINE, TAKEOVER, assert_one_token_each, changes, elected, is_leader, until_leads,
};
use crate::operator_process::{self, Operator};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_leader_that_was_frozen_changes_nothing_when_it_resumes() {
    let (control_plane, former) = own_control_plane_with(elected()).await;
    let team = Team::on(control_plane, "frozen-leader", Config::default(), json!({})).await;
    until_leads(&former).await;
    team.token("first", "of the former leader").await;
    team.until_synced("first").await;
    let leader = start_operator_with(control_plane, &elected()).await;

    former.signal("STOP");
    let took = until_leads(&leader).await;
    println!("takeover after SIGSTOP took {took:?}");
    assert!(took < LEASE_DURATION + TAKEOVER, "{took:?}");
    team.token("second", "of the new leader").await;
    team.until_synced("second").await;

    // There is work, and only the former leader could do it.
    leader.signal("STOP");
    team.token("third", "for the next leader").await;
    let log = former.log().len();
    former.signal("CONT");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(changes(&former, log).is_empty(), "{}", former.log());
    assert!(!is_leader(&former).await);
    assert_one_token_each(&team, 2);

    leader.signal("CONT");
    team.until_synced("third").await;
    assert!(changes(&former, log).is_empty(), "{}", former.log());
    assert_one_token_each(&team, 3);
}

/// A leader that reaches the API server through a proxy, until `cut` is true.
async fn leader_behind_proxy(control_plane: &ControlPlane, cut: &Arc<AtomicBool>, everything: bool) -> Operator {
    let cut = Arc::clone(cut);
    let kubeconfig = api_proxy::start(control_plane, move |_, uri| {
        let concerned = everything || uri.path().contains("/leases");
        if concerned && cut.load(Ordering::SeqCst) { ResponseFault::NoResponse } else { ResponseFault::PassThrough }
    })
    .await;
    let leader = Operator::start(binary(), &kubeconfig, &elected()).await.expect("starts");
    until_leads(&leader).await;
    leader
}

/// Cuts the leader off. It stops before another takes over, and finds the new leader when the partition ends.
async fn partition(name: &str, everything: bool) {
    let (control_plane, working) = own_control_plane_with(operator_process::Options::default()).await;
    working.terminate().await;
    let cut = Arc::new(AtomicBool::new(false));
    let former = leader_behind_proxy(control_plane, &cut, everything).await;
    let team = Team::on(control_plane, name, Config::default(), json!({})).await;
    team.token("first", "of the former leader").await;
    team.until_synced("first").await;
    let standby = start_operator_with(control_plane, &elected()).await;

    cut.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    while is_leader(&former).await {
        assert!(begun.elapsed() < RENEW_DEADLINE + Duration::from_secs(1), "it leads on: {}", former.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lost = begun.elapsed();
    assert!(!is_leader(&standby).await, "nobody leads for a while");
    // Its watches deliver this object, and the portal is reachable.
    let log = former.log().len();
    team.token("second", "created while nobody leads").await;
    until_leads(&standby).await;
    let taken = begun.elapsed();
    println!("partition ({name}): the leader stepped down after {lost:?}, and the takeover was after {taken:?}");
    assert!(taken < LEASE_DURATION + TAKEOVER, "{taken:?}");
    team.until_synced("second").await;
    cut.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(8)).await;
    team.token("third", "after the partition").await;
    team.until_synced("third").await;
    assert!(changes(&former, log).is_empty(), "{}", former.log());
    assert!(is_leader(&standby).await && !is_leader(&former).await);
    assert!(former.health("livez").await.starts_with("ok"), "it is a standby");
    assert_one_token_each(&team, 3);
}

#[tokio::test]
async fn a_leader_without_any_response_of_the_api_server_steps_down_before_another_takes_over() {
    partition("cut-off", true).await;
}

#[tokio::test]
async fn a_leader_that_only_cannot_renew_its_lease_steps_down_before_another_takes_over() {
    partition("no-renewal", false).await;
}
