//! Metrics of single objects: bounded, and gone with the object.

use crate::control_plane::eventually;
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, own_control_plane_with};
use crate::operator_process::Options;
use serde_json::json;

const PREFIX: &str = "registry_token_operator_registrytoken";

/// The lines about single objects, without their common prefix.
fn shown(metrics: &str) -> Vec<&str> {
    metrics.lines().filter_map(|line| line.strip_prefix(PREFIX)).collect()
}

#[tokio::test]
async fn the_series_of_an_object_follow_it_and_their_number_is_bounded() {
    let mut options = Options::default();
    options.flags.push("--metrics-per-object=2");
    let (control_plane, operator) = own_control_plane_with(options).await;
    let team = Team::on(control_plane, "shown", Config::default(), json!({})).await;
    for name in ["a", "b", "c"] {
        team.token(name, &format!("token {name}")).await;
    }
    for name in ["a", "b", "c"] {
        team.until_synced(name).await;
    }
    let of = |name: &str, condition: &str| {
        format!("_ready_status{{namespace=\"{}\",name=\"{name}\",condition=\"{condition}\"}}", team.namespace)
    };
    eventually("the first two of three ready objects to be shown", LIMIT, async || {
        let metrics = operator.metrics().await;
        let lines = shown(&metrics);
        let wanted = ["a", "b"].map(|name| format!("{} 1", of(name, "True")));
        let is_shown = |line: &String| lines.contains(&line.as_str());
        let is_bounded = !metrics.contains("name=\"c\"") && lines.contains(&"s_left_out 1");
        if wanted.iter().all(is_shown) && is_bounded { Ok(()) } else { Err(lines.join("\n")) }
    })
    .await;
    team.delete("a").await;
    eventually("the next object to be shown in place of the deleted one", LIMIT, async || {
        let metrics = operator.metrics().await;
        let lines = shown(&metrics);
        let is_shown = lines.contains(&format!("{} 1", of("c", "True")).as_str());
        let is_gone = !metrics.contains("name=\"a\"") && lines.contains(&"s_left_out 0");
        if is_shown && is_gone { Ok(()) } else { Err(lines.join("\n")) }
    })
    .await;
}
