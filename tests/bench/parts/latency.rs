//! (4): one object every 200 ms, so that each is created while the caches still lag behind the previous one.

use crate::fleet::{Fleet, PortalOptions};
use crate::measure::percentile;
use crate::report::{Figure, Target, figure};

const OBJECTS: usize = 100;

/// The time to the Secret of each, and how many tokens were requested.
pub async fn one_by_one() -> Vec<Figure> {
    let fleet = Fleet::start(PortalOptions::FOUR_AT_A_TIME).await;
    let times = fleet.create_one_by_one(OBJECTS).await;
    fleet.wait_synced(OBJECTS).await;
    let asked = fleet.tokens_requested() as f64;
    let (p50, p99) = (percentile(&times, 50), percentile(&times, 99));
    vec![
        figure("4. one object every 200 ms: time to its Secret, p50", (p50, "ms"), Target::AtMost(80.0)),
        figure("4. the same, p99", (p99, "ms"), Target::AtMost(150.0)),
        figure("4. tokens requested for 100 objects", (asked, "tokens"), Target::AtMost(100.0)),
    ]
}
