//! (6): a first token during a rotation of 1,000 objects, compared with one at rest. It includes login checks, revocations
//! and the API server's work, on a shared machine.

use crate::fleet::{Fleet, PortalOptions};
use crate::measure::percentile;
use crate::report::{Figure, Target, figure, figure_of};
use std::time::Instant;

const OBJECTS: usize = 1000;
const SAMPLES: usize = 5;

/// What the rotation adds to a first token, and how fast it is.
pub async fn wave() -> Vec<Figure> {
    let fleet = Fleet::start(PortalOptions::FOUR_AT_A_TIME).await;
    fleet.create_range(0, OBJECTS).await;
    fleet.wait_synced(OBJECTS).await;
    let mut calm = vec![];
    for index in 0..SAMPLES {
        calm.push(fleet.first_token(OBJECTS + index).await.as_secs_f64() * 1e3);
    }
    fleet.wait_synced(OBJECTS + SAMPLES).await;
    let before = fleet.tokens_requested();
    let begun = Instant::now();
    fleet.rotate_all().await;
    let mut amid = vec![];
    for index in 0..SAMPLES {
        fleet.wait_requested(before + 100 * (index + 1)).await;
        amid.push(fleet.first_token(OBJECTS + SAMPLES + index).await.as_secs_f64() * 1e3);
    }
    let asked = fleet.tokens_requested() - before;
    assert!(asked < OBJECTS, "the rotation was over before the last sample: {asked} tokens");
    fleet.wait_requested(before + OBJECTS + 2 * SAMPLES).await;
    let rate = (OBJECTS + 2 * SAMPLES) as f64 / begun.elapsed().as_secs_f64();
    let (calm, amid) = (percentile(&calm, 50), percentile(&amid, 50));
    vec![
        figure_of(
            "6. what a rotation of 1,000 adds to a first token (medians of 5)",
            ((amid - calm).max(0.0), "ms"),
            Target::AtMost(50.0),
            format!("{calm:.0} ms at rest, {amid:.0} ms"),
        ),
        figure("6. rotations, 4 requests at a time", (rate, "objects/s"), Target::None),
    ]
}
