mod instances;

use self::instances::{Instance, ONE, Server, TWO, millis, run_for, run_until, secs};
use super::*;

#[test]
fn the_first_instance_creates_the_lease_and_renews_it_once_per_retry_period() {
    let (mut server, mut one) = (Server::default(), Instance::new(ONE, secs(500)));
    assert!(!one.leads(Duration::ZERO));
    one.run(&mut server, Duration::ZERO);
    assert!(one.leads(Duration::ZERO) && server.holder() == Some(ONE));
    run_for(&mut server, &mut [&mut one], Duration::ZERO, secs(60));
    assert!(one.leads(secs(60)));
    assert_eq!(server.writes.len(), 31, "one creation and a renewal every two seconds");
    assert!(server.writes[1..].iter().all(|write| *write == Request::Update(Change::Renew)));
}

#[test]
fn a_standby_only_reads_and_takes_over_soon_after_a_release() {
    let mut server = Server::default();
    let (mut one, mut two) = (Instance::new(ONE, secs(500)), Instance::new(TWO, secs(0)));
    let now = run_for(&mut server, &mut [&mut one, &mut two], Duration::ZERO, secs(30));
    assert!(one.leads(now) && !two.leads(now));
    assert_eq!(two.election.other_holder(), Some(OtherHolder { identity: ONE.to_owned(), problem: None }));
    assert_eq!(server.writes.len(), 16, "the standby writes nothing");
    one.stop(&mut server, now);
    assert!(!one.leads(now) && one.request == Request::End && server.holder().is_none());
    let taken = run_until(&mut server, &mut [&mut two], now, secs(5), |all, now| all[0].leads(now));
    assert!(taken.is_some_and(|at| at.saturating_sub(now) <= secs(1)), "{taken:?}");
}

#[test]
fn a_dead_leader_is_replaced_after_the_lease_duration_measured_locally() {
    let mut server = Server::default();
    let (mut one, mut two) = (Instance::new(ONE, secs(0)), Instance::new(TWO, secs(9_000)));
    let killed = run_for(&mut server, &mut [&mut one, &mut two], Duration::ZERO, millis(30_900));
    let taken = run_until(&mut server, &mut [&mut two], killed, secs(30), |all, now| all[0].leads(now)).expect("taken");
    let waited = taken.saturating_sub(killed);
    assert!((secs(13)..=secs(17)).contains(&waited), "{waited:?}");
}

#[test]
fn a_stale_lease_is_observed_for_a_full_duration_before_it_is_taken() {
    // Whatever times it contains: they are not even part of the state.
    let (mut server, mut two) = (Server::holding(ONE, Some(secs(15))), Instance::new(TWO, secs(77)));
    let taken = run_until(&mut server, &mut [&mut two], Duration::ZERO, secs(30), |all, now| all[0].leads(now));
    assert_eq!(taken, Some(secs(15)));
    // The duration is the holder's, which may be configured in another way.
    let (mut server, mut two) = (Server::holding(ONE, Some(secs(60))), Instance::new(TWO, secs(0)));
    let taken = run_until(&mut server, &mut [&mut two], Duration::ZERO, secs(90), |all, now| all[0].leads(now));
    assert_eq!(taken, Some(secs(60)));
}

#[test]
fn a_partitioned_leader_steps_down_at_its_renew_deadline_before_another_takes_over() {
    let mut server = Server::default();
    let (mut one, mut two) = (Instance::new(ONE, secs(3)), Instance::new(TWO, secs(9)));
    let cut = run_for(&mut server, &mut [&mut one, &mut two], Duration::ZERO, secs(20));
    one.partitioned = true;
    let lost = run_until(&mut server, &mut [&mut one, &mut two], cut, secs(60), |all, now| !all[0].leads(now));
    let lost = lost.expect("lost");
    assert!((secs(8)..=secs(10)).contains(&lost.saturating_sub(cut)), "{:?}", lost.saturating_sub(cut));
    let taken = run_until(&mut server, &mut [&mut one, &mut two], lost, secs(60), |all, now| all[1].leads(now));
    let taken = taken.expect("taken");
    assert!(taken.saturating_sub(lost) >= secs(4), "{:?}", taken.saturating_sub(lost));
    // Healed: it finds another holder, and waits.
    one.partitioned = false;
    let later = run_for(&mut server, &mut [&mut one, &mut two], taken, secs(60));
    assert!(!one.leads(later) && two.leads(later));
}

#[test]
fn a_partition_that_nobody_used_ends_with_the_same_leader() {
    let (mut server, mut one) = (Server::default(), Instance::new(ONE, secs(0)));
    let cut = run_for(&mut server, &mut [&mut one], Duration::ZERO, secs(20));
    one.partitioned = true;
    let healed = run_for(&mut server, &mut [&mut one], cut, secs(12));
    assert!(!one.leads(healed), "it never leads without a response");
    one.partitioned = false;
    let again = run_until(&mut server, &mut [&mut one], healed, secs(5), |all, now| all[0].leads(now));
    assert!(again.is_some_and(|at| at.saturating_sub(healed) <= secs(1)));
}

#[test]
fn a_write_whose_response_is_lost_is_no_claim() {
    let (mut server, mut one) = (Server::default(), Instance::new(ONE, secs(0)));
    one.deaf = true;
    let later = run_for(&mut server, &mut [&mut one], Duration::ZERO, secs(30));
    assert!(!one.leads(later), "no response, no claim");
    assert_eq!(server.holder(), None, "it only reads, and does not see the answer");
    // It can read again, and only its writes are lost.
    one.deaf = false;
    let mut now = later;
    while !matches!(one.request, Request::Create) {
        one.deaf = false;
        if let Request::Sleep(_) = one.request {
            one.step(Response::Slept, now);
        } else {
            let response = one.execute(&mut server);
            one.step(response, now);
        }
        now += millis(100);
    }
    drop(one.execute(&mut server));
    one.step(Response::Failed, now);
    assert!(server.holder() == Some(ONE) && !one.leads(now));
    let leads = run_until(&mut server, &mut [&mut one], now, secs(5), |all, now| all[0].leads(now));
    assert!(leads.is_some(), "it finds itself as the holder, and confirms that with a renewal");
}

#[test]
fn the_claim_is_measured_from_the_sending_of_the_renewal() {
    let (mut server, mut one) = (Server::default(), Instance::new(ONE, secs(0)));
    one.run(&mut server, Duration::ZERO);
    one.step(Response::Slept, secs(2));
    assert_eq!(one.request, Request::Update(Change::Renew));
    // A frozen process: the write was executed at once, and the response is read half a minute later.
    let response = one.execute(&mut server);
    one.step(response, secs(32));
    assert!(!one.leads(secs(32)), "the Lease may have been taken over since");
    assert_eq!(one.election.claim_until(), Some(secs(12)));
    // It reads before it writes.
    assert_eq!(one.request, Request::Sleep(Duration::ZERO));
    one.step(Response::Slept, secs(32));
    assert_eq!(one.request, Request::Read);
}

#[test]
fn of_two_instances_that_take_over_at_once_one_fails_and_waits() {
    let mut server = Server::holding("dead-0123456789", Some(secs(15)));
    let (mut one, mut two) = (Instance::new(ONE, secs(0)), Instance::new(TWO, secs(0)));
    for instance in [&mut one, &mut two] {
        instance.step(Response::Lease(server.lease.clone().expect("a Lease")), Duration::ZERO);
        instance.step(Response::Slept, secs(15));
        instance.step(Response::Lease(server.lease.clone().expect("a Lease")), secs(15));
        assert_eq!(instance.request, Request::Update(Change::TakeOver));
    }
    run_for(&mut server, &mut [&mut one, &mut two], secs(15), secs(60));
    assert!(one.leads(secs(75)) && !two.leads(secs(75)));
}

#[test]
fn a_leader_whose_lease_was_given_to_another_steps_down_at_its_next_renewal() {
    let (mut server, mut one) = (Server::default(), Instance::new(ONE, secs(0)));
    let now = run_for(&mut server, &mut [&mut one], Duration::ZERO, secs(10));
    server.store(Some(TWO), Some(secs(15)));
    let lost = run_until(&mut server, &mut [&mut one], now, secs(5), |all, now| !all[0].leads(now));
    assert!(lost.is_some_and(|at| at.saturating_sub(now) <= secs(2)));
    assert_eq!(server.holder(), Some(TWO));
}

#[test]
fn a_change_of_the_lease_by_someone_else_does_not_end_the_leadership() {
    let (mut server, mut one) = (Server::default(), Instance::new(ONE, secs(0)));
    let now = run_for(&mut server, &mut [&mut one], Duration::ZERO, secs(10));
    server.store(Some(ONE), Some(secs(15)));
    assert_eq!(run_until(&mut server, &mut [&mut one], now, secs(30), |all, now| !all[0].leads(now)), None);
}

#[test]
fn a_deleted_lease_ends_the_claim_and_is_created_again() {
    let (mut server, mut one) = (Server::default(), Instance::new(ONE, secs(0)));
    let now = run_for(&mut server, &mut [&mut one], Duration::ZERO, secs(10));
    server.lease = None;
    one.step(Response::Slept, now);
    one.step(Response::Absent, now);
    assert!(!one.leads(now) && one.request == Request::Create);
    one.run(&mut server, now);
    assert!(one.leads(now));
}

#[test]
fn the_lease_of_another_program_is_awaited_and_named() {
    for (holder, duration, problem) in [
        ("host_3f8a1c52-9d3e-4a2b-8a53-cc5e0d3d3c14", Some(secs(15)), Some(HolderProblem::OtherProgram)),
        (ONE, None, Some(HolderProblem::NeverExpires)),
        (ONE, Some(Duration::from_hours(48)), Some(HolderProblem::NeverExpires)),
        ("0123456789", Some(secs(15)), None),
    ] {
        let (mut server, mut two) = (Server::holding(holder, duration), Instance::new(TWO, secs(0)));
        let now = run_for(&mut server, &mut [&mut two], Duration::ZERO, secs(14));
        assert!(!two.leads(now) && server.writes.is_empty());
        assert_eq!(two.election.other_holder(), Some(OtherHolder { identity: holder.to_owned(), problem }));
    }
    let (mut server, mut two) = (Server::holding(ONE, None), Instance::new(TWO, secs(0)));
    let now = run_for(&mut server, &mut [&mut two], Duration::ZERO, secs(7_200));
    assert!(!two.leads(now), "it has no duration, so nothing proves that its holder is dead");
    server.store(None, None);
    let taken = run_until(&mut server, &mut [&mut two], now, secs(5), |all, now| all[0].leads(now));
    assert!(taken.is_some(), "it was released");
}

#[test]
fn a_standby_and_an_instance_without_a_response_release_nothing_of_others() {
    let (mut server, mut two) = (Server::holding(ONE, Some(secs(15))), Instance::new(TWO, secs(0)));
    two.run(&mut server, Duration::ZERO);
    two.stop(&mut server, Duration::ZERO);
    assert!(two.request == Request::End && server.writes.is_empty() && server.holder() == Some(ONE));
    let (mut server, mut two) = (Server::default(), Instance::new(TWO, secs(0)));
    two.stop(&mut server, Duration::ZERO);
    assert!(two.request == Request::End && server.lease.is_none(), "it never held the Lease");
}

#[test]
fn a_release_finds_the_lease_that_an_unanswered_write_created_and_survives_a_conflict() {
    let (mut server, mut one) = (Server::default(), Instance::new(ONE, secs(0)));
    one.step(Response::Absent, Duration::ZERO);
    drop(one.execute(&mut server));
    one.stop(&mut server, Duration::ZERO);
    assert!(one.request == Request::End && server.holder().is_none());

    let (mut server, mut one) = (Server::default(), Instance::new(ONE, secs(0)));
    let now = run_for(&mut server, &mut [&mut one], Duration::ZERO, secs(10));
    server.store(Some(ONE), Some(secs(15)));
    one.stop(&mut server, now);
    assert!(one.request == Request::End && server.holder().is_none());
}

#[test]
fn a_release_without_responses_ends_after_a_few_tries() {
    let (mut server, mut one) = (Server::default(), Instance::new(ONE, secs(0)));
    let now = run_for(&mut server, &mut [&mut one], Duration::ZERO, secs(10));
    one.partitioned = true;
    one.stop(&mut server, now);
    assert!(one.request == Request::End && !one.leads(now) && server.holder() == Some(ONE));
}

#[test]
fn requests_that_always_conflict_are_not_repeated_without_a_pause() {
    let mut one = Instance::new(ONE, secs(0));
    let (mut sent, mut now) = (0, Duration::ZERO);
    let held = LeaseRecord { resource_version: "1".to_owned(), holder: None, duration: None };
    while now < secs(10) {
        let response = match one.request {
            Request::Sleep(wait) => {
                now += wait;
                Response::Slept
            }
            Request::Read => Response::Lease(held.clone()),
            _ => Response::Conflict,
        };
        sent += 1;
        one.step(response, now);
    }
    assert!(sent < 120, "{sent}");
}
