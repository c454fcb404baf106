//! The matrix: every step, every fault. The operator is not killed in the first half; in the second half one kill hits
//! a step of each case.

use super::case::{CaseResult, FaultCase};
use super::proxy::{INJECTION_LIMIT, Proxy};
use super::table::{COLUMNS, FaultColumn, MatrixRow, PlannedFault, ROWS, planned_fault};
use crate::control_plane::{ControlPlane, Options, eventually};
use crate::fixture::binary;
use crate::operator_process::{self, Operator};
use futures::future::join_all;
use futures::{StreamExt, stream};
use std::path::Path;
use std::time::Instant;

fn plans(wanted: impl Fn(FaultColumn) -> bool) -> Vec<(MatrixRow, FaultColumn, PlannedFault)> {
    let columns: Vec<FaultColumn> = COLUMNS.into_iter().filter(|column| wanted(*column)).collect();
    let of = |row| columns.iter().filter_map(move |column| Some((row, *column, planned_fault(row, *column)?)));
    ROWS.into_iter().flat_map(of).collect()
}

async fn create_cases(control_plane: &'static ControlPlane, wanted: impl Fn(FaultColumn) -> bool) -> Vec<FaultCase> {
    stream::iter(plans(wanted)).map(|plan| FaultCase::new(control_plane, plan)).buffer_unordered(8).collect().await
}

fn start(kubeconfig: &Path) -> Operator {
    Operator::spawn(binary(), kubeconfig, &operator_process::Options::default()).expect("starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_at_every_step_leaks_nothing_and_the_object_becomes_ready_or_reports_why_not() {
    let begun = Instant::now();
    let control_plane = ControlPlane::start_for_test(Options::default()).await.expect("starts");
    operator_process::install(control_plane).await.expect("installed");
    let (proxy, kubeconfig) = Proxy::start(control_plane).await.expect("a proxy");

    let mut former = start(&kubeconfig);
    former.until_ready().await.expect("ready");
    let cases = create_cases(control_plane, |column| !column.kills_operator()).await;
    let mut results = join_all(cases.iter().map(async |case| {
        case.start(&proxy).await;
        case.finish(&proxy).await
    }))
    .await;

    let killed_cases = create_cases(control_plane, FaultColumn::kills_operator).await;
    join_all(killed_cases.iter().map(|case| case.start(&proxy))).await;
    eventually("every request whose sender is killed", INJECTION_LIMIT, async || {
        let waiting = killed_cases.iter().filter(|case| case.is_pending(&proxy)).map(|case| case.row.name);
        let waiting: Vec<&str> = waiting.collect();
        if waiting.is_empty() { Ok(()) } else { Err(format!("{waiting:?} wait")) }
    })
    .await;
    let metrics = former.metrics().await;
    let log = former.kill();
    for case in &killed_cases {
        case.team.portal.faults().clear();
    }
    let last = start(&kubeconfig);
    results.extend(join_all(killed_cases.iter().map(|case| case.finish(&proxy))).await);
    let log = log + &last.kill();

    print(&results);
    for end in results.iter().filter(|end| end.failure.is_some()) {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&end.namespace)).collect();
        println!("{} x {}:", end.row.name, end.column.name());
        lines.iter().skip(lines.len().saturating_sub(40)).for_each(|line| println!("  {line}"));
    }
    println!("{} cases in {:.0} s", results.len(), begun.elapsed().as_secs_f32());
    let wrong: Vec<String> = results
        .iter()
        .filter_map(|end| end.failure.as_ref().map(|why| format!("{} x {}: {why}", end.row.name, end.column.name())))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!log.contains("panicked at"), "the operator panicked");
    let counted = |reason: &str| !metrics.contains(&format!("{{reason=\"{reason}\"}} 0"));
    assert!(metrics.contains("status_write_failures") && counted("rejected") && counted("unavailable"), "{metrics}");
    let most = results.iter().map(|end| end.minted).max();
    assert_eq!(most, Some(2), "a fault costs at most one token, and some do");
}

/// A row per step; in each field the seconds until all was in order, and the number of tokens. Below, for persistent
/// faults, the reported reasons.
fn print(results: &[CaseResult]) {
    print!("{:<20}", "step");
    for column in COLUMNS {
        print!("{:>14}", column.name());
    }
    println!();
    for row in ROWS {
        print!("{:<20}", row.name);
        for column in COLUMNS {
            let end = results.iter().find(|end| end.row == row && end.column == column);
            let field = end.map_or_else(
                || "-".to_owned(),
                |end| match &end.failure {
                    None => format!("{:.0} s, {}", end.took.as_secs_f32(), end.minted),
                    Some(_) => "WRONG".to_owned(),
                },
            );
            print!("{field:>14}");
        }
        println!();
    }
    for end in results.iter().filter(|end| end.column.is_persistent()) {
        println!("{} x {}: {}", end.row.name, end.column.name(), end.reported_reason);
    }
}
