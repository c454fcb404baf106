//! The matrix: every step, every mishap. Nobody is killed in the first half; in the second one kill
//! meets a step of each cell.

use crate::cell::{Cell, End, Trouble};
use crate::control_plane::{ControlPlane, Options, eventually};
use crate::operator::{self, Operator};
use crate::proxy::{COMING, Mishap, Proxy, Step};
use crate::simulator::{Fault, Operation};
use crate::stage::binary;
use futures::future::join_all;
use futures::{StreamExt, stream};
use std::path::Path;
use std::time::Instant;

/// Steps at the API server.
const STEPS: [(&str, Step); 7] = [
    ("finalizer", Step::Finalizer),
    ("reserve", Step::Reserve),
    ("read issuer", Step::ReadIssuer),
    ("dry run", Step::DryRun),
    ("commit", Step::Commit),
    ("status", Step::Status),
    ("settled", Step::Settled),
];

/// What can go wrong with them while nobody dies.
const MISHAPS: [(&str, Mishap); 7] = [
    ("409", Mishap::Status(409)),
    ("403", Mishap::Status(403)),
    ("422", Mishap::Status(422)),
    ("429", Mishap::Status(429)),
    ("500", Mishap::Status(500)),
    ("504 after", Mishap::StatusAfter(504)),
    ("time-out", Mishap::Silence),
];

const DEATHS: [(&str, Mishap); 2] = [("killed before", Mishap::KilledBefore), ("killed after", Mishap::KilledAfter)];

/// Steps at the portal.
const TASKS: [(&str, Operation); 2] = [("request", Operation::Request), ("settle", Operation::Edit)];

fn faults() -> [(&'static str, Fault); 7] {
    [
        ("409", Fault::Status(409)),
        ("403", Fault::Status(403)),
        ("422", Fault::Status(422)),
        ("429", Fault::RetryAfter { status: 429, seconds: 1 }),
        ("500", Fault::Status(500)),
        ("504 after", Fault::StatusAfter(504)),
        ("time-out", Fault::HangAfter),
    ]
}

type Plan = (&'static str, &'static str, Trouble);

fn without_deaths() -> Vec<Plan> {
    let at_server = STEPS.iter().flat_map(|(row, step)| {
        MISHAPS.iter().map(move |(column, mishap)| (*row, *column, Trouble::Server(*step, *mishap)))
    });
    let at_portal = TASKS.iter().flat_map(|(row, task)| {
        faults().into_iter().map(move |(column, fault)| (*row, column, Trouble::Portal(*task, fault)))
    });
    at_server.chain(at_portal).collect()
}

fn deaths() -> Vec<Plan> {
    let at_server = STEPS
        .iter()
        .flat_map(|(row, step)| DEATHS.iter().map(move |(column, how)| (*row, *column, Trouble::Server(*step, *how))));
    let at_portal = TASKS.iter().flat_map(|(row, task)| {
        [("killed before", Fault::HangBefore), ("killed after", Fault::HangAfter)]
            .map(|(column, fault)| (*row, column, Trouble::Portal(*task, fault)))
    });
    at_server.chain(at_portal).collect()
}

async fn stage(control_plane: &'static ControlPlane, plans: Vec<Plan>) -> Vec<Cell> {
    stream::iter(plans).map(|plan| Cell::new(control_plane, plan)).buffer_unordered(8).collect().await
}

fn start(kubeconfig: &Path) -> Operator {
    Operator::spawn(binary(), kubeconfig, &operator::Options::default()).expect("starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mishap_at_every_step_leaks_nothing_and_the_object_becomes_ready() {
    let begun = Instant::now();
    let control_plane = ControlPlane::start(Options::default()).await.expect("starts");
    let control_plane: &'static ControlPlane = Box::leak(Box::new(control_plane));
    operator::install(control_plane).await.expect("installed");
    let (proxy, kubeconfig) = Proxy::start(control_plane).await.expect("a proxy");

    let mut former = start(&kubeconfig);
    former.until_ready().await.expect("ready");
    let cells = stage(control_plane, without_deaths()).await;
    join_all(cells.iter().map(|cell| cell.begin(&proxy))).await;
    let mut ends = join_all(cells.iter().map(|cell| cell.end(&proxy))).await;

    let doomed = stage(control_plane, deaths()).await;
    join_all(doomed.iter().map(|cell| cell.begin(&proxy))).await;
    eventually("every request that its sender does not survive", COMING, async || {
        let portals = doomed.iter().filter(|cell| !cell.portal_struck()).count();
        match proxy.waiting().len() + portals {
            0 => Ok(()),
            _ => Err(format!("{:?} and {portals} portals wait", proxy.waiting())),
        }
    })
    .await;
    let log = former.kill();
    for cell in &doomed {
        cell.team.portal.faults().clear();
    }
    let last = start(&kubeconfig);
    ends.extend(join_all(doomed.iter().map(|cell| cell.end(&proxy))).await);
    let log = log + &last.kill();

    print(&ends);
    println!("{} cells in {:.0} s", ends.len(), begun.elapsed().as_secs_f32());
    let wrong: Vec<String> = ends
        .iter()
        .filter_map(|end| end.wrong.as_ref().map(|why| format!("{} x {}: {why}", end.row, end.column)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!log.contains("panicked at"), "the operator panicked");
    let most = ends.iter().map(|end| end.minted).max();
    assert_eq!(most, Some(2), "a mishap costs one token at most, and some do");
}

/// A row each step; in each field the seconds until all was in order, and the tokens that it took.
fn print(ends: &[End]) {
    let columns: Vec<&str> =
        DEATHS.iter().map(|(name, _)| *name).chain(MISHAPS.iter().map(|(name, _)| *name)).collect();
    print!("{:<12}", "step");
    for column in &columns {
        print!("{column:>15}");
    }
    println!();
    for row in STEPS.iter().map(|(name, _)| *name).chain(TASKS.iter().map(|(name, _)| *name)) {
        print!("{row:<12}");
        for column in &columns {
            let end = ends.iter().find(|end| end.row == row && end.column == *column);
            let field = end.map_or_else(String::new, |end| match &end.wrong {
                None => format!("{:.0} s, {}", end.took.as_secs_f32(), end.minted),
                Some(_) => "WRONG".to_owned(),
            });
            print!("{field:>15}");
        }
        println!();
    }
}
