//! (11): the size of the binary, and how long it takes until it reconciles.

use crate::fleet::{BINARY, Fleet, PortalOptions};
use crate::measure::percentile;
use crate::report::{Figure, Target, figure};

const STARTS: usize = 5;

/// Starts the operator several times with one object, whose Secret was deleted meanwhile.
pub async fn size_and_start() -> Vec<Figure> {
    let size = std::fs::metadata(BINARY).expect("the binary").len() as f64 / 1e6;
    let portal = PortalOptions::FOUR_AT_A_TIME;
    let mut fleet = Fleet::start(portal).await;
    fleet.create(0).await;
    fleet.wait_synced(1).await;
    let mut times = vec![];
    for _ in 0..STARTS {
        times.push(fleet.start_to_first_reconcile().await.as_secs_f64() * 1e3);
    }
    vec![
        figure("11. size of the binary", (size, "MB"), Target::AtMost(12.0)),
        figure(
            "11. start to the first request for an object (median of 5)",
            (percentile(&times, 50), "ms"),
            Target::AtMost(300.0),
        ),
    ]
}
