//! (3): 1,000 objects at once, fifty requests at a time, compared with a bare writer that makes the same writes.

use super::burst;
use crate::fleet::{ANY_RATE, Fleet, PortalOptions};
use crate::report::{Figure, Target, figure};
use crate::{LATENCY, bare_writer};

const OBJECTS: usize = 1000;
/// How many runs of each, of which the median counts: a run of a few seconds varies by a tenth.
const RUNS: usize = 3;

/// Without and with the policy that creates objects with the finalizer.
pub async fn fifty_at_a_time() -> Vec<Figure> {
    let (without, mut figures) = compare(false).await;
    let (with, more) = compare(true).await;
    figures.extend(more);
    figures.push(figure("3. gain by the finalizer at creation", (with / without, ""), Target::None));
    figures
}

async fn compare(finalizer_at_creation: bool) -> (f64, Vec<Figure>) {
    let (mut rates, mut bare, mut figures) = (vec![], vec![], vec![]);
    let how = if finalizer_at_creation { ", finalizer at creation" } else { "" };
    for run in 0..RUNS {
        let portal = PortalOptions { latency: LATENCY, concurrency: 50, per_second: ANY_RATE, id_in_response: true };
        let fleet = Fleet::start(portal).await;
        if finalizer_at_creation {
            fleet.create_with_finalizer().await;
        }
        rates.push(OBJECTS as f64 / fleet.create_and_wait(OBJECTS).await.as_secs_f64());
        if run == 0 && finalizer_at_creation {
            fleet.wait_synced(OBJECTS).await;
            figures = burst::requests("3. finalizer at creation", &fleet).await;
        }
        drop(fleet);
        bare.push(OBJECTS as f64 / bare_writer::write(OBJECTS, 50, finalizer_at_creation).await.as_secs_f64());
    }
    let (rate, bare) = (median(rates), median(bare));
    figures.extend([
        figure(&format!("3. 1,000 objects, 50 requests at a time{how}"), (rate, "objects/s"), Target::AtLeast(84.0)),
        figure(&format!("3. a bare writer with the same writes{how}"), (bare, "objects/s"), Target::None),
        figure(&format!("3. share of the bare writer's speed{how}"), (rate / bare, ""), Target::AtLeast(0.85)),
    ]);
    (rate, figures)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}
