//! (1), (2): 1,000 objects at once, four requests at a time.

use crate::fleet::{Fleet, PortalOptions};
use crate::report::{Figure, Target, figure, figure_of};
use crate::{LATENCY, results, svg};

const OBJECTS: usize = 1000;

/// Where the response to a request contains the token's id. Also counts the requests to the API server, and draws the
/// timeline.
pub async fn with_the_id() -> Vec<Figure> {
    let (fleet, mut figures) = all_at_once(true).await;
    fleet.wait_synced(OBJECTS + 1).await;
    let picture = svg::timeline("1,000 new objects, 4 portal requests of 50 ms at a time", &fleet.timeline().await);
    std::fs::create_dir_all(results()).expect("a folder");
    std::fs::write(results().join("timeline.svg"), picture).expect("written");
    figures.extend(requests("1. 4 requests at a time", &fleet, false).await);
    figures
}

/// Where it has to be looked up by its marker: one more read for each token.
pub async fn with_a_lookup() -> Vec<Figure> {
    all_at_once(false).await.1
}

async fn all_at_once(id_in_response: bool) -> (Fleet, Vec<Figure>) {
    let mut fleet = Fleet::start(PortalOptions { id_in_response, ..PortalOptions::FOUR_AT_A_TIME }).await;
    fleet.warm_up().await;
    let elapsed = fleet.create_and_wait(OBJECTS).await.as_secs_f64();
    let limit = LATENCY.as_secs_f64() * OBJECTS as f64 / 4.0;
    let (part, how, most) = if id_in_response { (1, "id in the response", 1.2) } else { (2, "id looked up", 1.3) };
    let what = format!("{part}. 1,000 objects, 4 requests at a time, {how}: time / the portal's limit of {limit:.1} s");
    let time = figure_of(&what, (elapsed / limit, ""), Target::AtMost(most), format!("{elapsed:.1} s"));
    (fleet, vec![time])
}

/// The requests to the API server for each object. A conflict now and then repeats one.
pub async fn requests(part: &str, fleet: &Fleet, finalizer_at_creation: bool) -> Vec<Figure> {
    let most = if finalizer_at_creation { 4.05 } else { 5.05 };
    let requests = fleet.requests().await;
    let sum = |wanted: fn(&str) -> bool| {
        let counted = requests.iter().filter(|(what, _)| wanted(what)).map(|(_, count)| *count).sum::<usize>();
        counted as f64 / OBJECTS as f64
    };
    let is_event = |what: &str| what.ends_with("events");
    let by_verb: Vec<String> =
        requests.iter().map(|(what, count)| format!("{what} {:.2}", *count as f64 / OBJECTS as f64)).collect();
    let writes = sum(|what| !what.starts_with("get") && !what.ends_with("events"));
    vec![
        figure_of(
            &format!("{part}: writes to the API server for each object, without events"),
            (writes, ""),
            Target::AtMost(most),
            by_verb.join(", "),
        ),
        figure(
            &format!("{part}: reads from the API server for each object"),
            (sum(|what| what.starts_with("get")), ""),
            Target::AtMost(0.1),
        ),
        figure(&format!("{part}: events for each object"), (sum(is_event), ""), Target::None),
    ]
}
