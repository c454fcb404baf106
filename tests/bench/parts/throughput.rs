//! (3): 1,000 objects at once, fifty requests at a time, compared with a bare writer that makes the same writes.

use super::burst;
use crate::bare_writer;
use crate::fleet::{Fleet, PortalOptions};
use crate::measure::percentile;
use crate::peer::Peer;
use crate::report::{Figure, Target, figure, figure_of, skipped};
use std::time::Duration;

const OBJECTS: usize = 1000;
/// How many runs of each, of which the median counts: a run of a few seconds varies by a tenth.
const RUNS: usize = 3;
/// The same of the bare writer, which varies less.
const BARE_RUNS: usize = 2;

/// Without and with the policy that creates objects with the finalizer.
pub async fn fifty_at_a_time() -> Vec<Figure> {
    // Before the long part, because a wrong path ends it.
    let peer = Peer::of_the_environment();
    let (without, mut figures) = compare(false).await;
    let (with, more) = compare(true).await;
    figures.extend(more);
    figures.push(figure("3. gain by the finalizer at creation", (with / without, ""), Target::None));
    figures.extend(compare_with_peer(peer, without, with).await);
    figures
}

/// Compares these rates with that of another operator.
async fn compare_with_peer(peer: Result<Peer, String>, without: f64, with: f64) -> Vec<Figure> {
    let target = Target::AtLeast(1.6);
    let peer = match peer {
        Ok(peer) => peer,
        Err(what_to_set) => return vec![skipped("3. the operator / external-secrets", "", target, &what_to_set)],
    };
    let (mut rates, mut written, mut requests) = (vec![], vec![], (0, 0));
    for _ in 0..RUNS {
        let outcome = peer.fill(OBJECTS, 50).await;
        rates.push(per_second(outcome.elapsed));
        written.push(per_second(outcome.written));
        requests = outcome.requests;
    }
    let (rate, written) = (percentile(&rates, 50), percentile(&written, 50));
    let each = |count: usize| format!("{:.2}", count as f64 / OBJECTS as f64);
    let detail = format!("{} writes and {} reads for each object", each(requests.0), each(requests.1));
    vec![
        figure_of("3. external-secrets without client limits, 50 at a time", (rate, "objects/s"), Target::None, detail),
        figure("3. the same, until the last write", (written, "objects/s"), Target::None),
        figure("3. the operator / external-secrets", (without / rate, ""), target),
        figure("3. the same, finalizer at creation", (with / rate, ""), Target::AtLeast(2.0)),
    ]
}

/// Measures both until the last Secret is filled, and until the last write: of the operator, two status writes follow the
/// Secret, and a bare writer knows no difference.
async fn compare(finalizer_at_creation: bool) -> (f64, Vec<Figure>) {
    let (mut rates, mut written, mut bare, mut figures) = (vec![], vec![], vec![], vec![]);
    let how = if finalizer_at_creation { ", finalizer at creation" } else { "" };
    for run in 0..RUNS {
        let portal = PortalOptions { concurrency: 50, ..PortalOptions::FOUR_AT_A_TIME };
        let mut fleet = Fleet::start(portal).await;
        if finalizer_at_creation {
            fleet.create_with_finalizer().await;
        }
        fleet.warm_up().await;
        rates.push(per_second(fleet.create_and_wait(OBJECTS).await));
        fleet.wait_synced(OBJECTS + 1).await;
        written.push(per_second(fleet.until_last_write().await));
        if run == 0 {
            figures = burst::requests(&format!("3. 50 requests at a time{how}"), &fleet, finalizer_at_creation).await;
        }
        drop(fleet);
        if run < BARE_RUNS {
            bare.push(per_second(bare_writer::write(OBJECTS, 50, finalizer_at_creation).await));
        }
    }
    let [rate, written, bare] = [rates, written, bare].map(|all| percentile(&all, 50));
    figures.extend([
        figure(&format!("3. 1,000 objects, 50 requests at a time{how}"), (rate, "objects/s"), Target::AtLeast(84.0)),
        figure(&format!("3. the same, until the last write{how}"), (written, "objects/s"), Target::None),
        figure(&format!("3. a bare writer with the same writes{how}"), (bare, "objects/s"), Target::None),
        figure(&format!("3. share of the bare writer's speed{how}"), (written / bare, ""), Target::AtLeast(0.85)),
    ]);
    (rate, figures)
}

fn per_second(elapsed: Duration) -> f64 {
    OBJECTS as f64 / elapsed.as_secs_f64()
}
