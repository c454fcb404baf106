//! (9): the deletion of 1,000 objects, each of which revokes a token.

use crate::LATENCY;
use crate::fleet::{Fleet, PortalOptions};
use crate::report::{Figure, Target, figure_of};

const OBJECTS: usize = 1000;

/// From the first deletion until the last object is gone.
pub async fn of_all() -> Vec<Figure> {
    let portal = PortalOptions::FOUR_AT_A_TIME;
    let fleet = Fleet::start(portal).await;
    fleet.create_range(0, OBJECTS).await;
    fleet.wait_synced(OBJECTS).await;
    let elapsed = fleet.delete_all().await.as_secs_f64();
    let limit = LATENCY.as_secs_f64() * OBJECTS as f64 / 4.0;
    let what = format!("9. deletion of 1,000 objects: time / the portal's limit of {limit:.1} s");
    vec![figure_of(&what, (elapsed / limit, ""), Target::AtMost(1.2), format!("{elapsed:.1} s"))]
}
