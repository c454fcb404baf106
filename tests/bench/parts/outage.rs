//! (10): a portal that does not answer, with 1,000 objects, beside a healthy one.

use crate::fleet::{Fleet, PortalOptions};
use crate::measure::percentile;
use crate::report::{Figure, Target, figure_of};
use std::time::Duration;

const OBJECTS: usize = 1000;
const SAMPLES: usize = 30;
/// The pause after each sample.
const PAUSE: Duration = Duration::from_millis(200);

/// What the time-outs of one issuer add to the first tokens of another.
pub async fn of_one_portal() -> Vec<Figure> {
    let portal = PortalOptions::FOUR_AT_A_TIME;
    let fleet = Fleet::start(portal).await;
    let before = sample(&fleet, 0).await;
    let hanging = fleet.create_hanging_issuer(OBJECTS).await;
    let during = sample(&fleet, SAMPLES).await;
    let requests = hanging.requests_without_a_response();
    vec![figure_of(
        "10. a first token while the portal of another issuer with 1,000 objects does not answer / without that (medians of 30)",
        (during / before, ""),
        Target::AtMost(1.1),
        format!("{before:.0} ms, {during:.0} ms, {requests} requests without an answer"),
    )]
}

async fn sample(fleet: &Fleet, first: usize) -> f64 {
    let mut times = vec![];
    for index in first..first + SAMPLES {
        times.push(fleet.first_token(index).await.as_secs_f64() * 1e3);
        // Reads of the issuer are paced: objects that follow each other faster would wait for them.
        tokio::time::sleep(PAUSE).await;
    }
    percentile(&times, 50)
}
