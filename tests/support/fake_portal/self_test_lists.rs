//! Incomplete and delayed lists.

use super::{Bench, bench};
use crate::fake_portal::{Config, Fault, Form, Forms, Operation, Visible};
use serde_json::Value;
use std::time::Duration;

async fn listed(bench: &Bench) -> usize {
    bench.rows("").await.len()
}

#[tokio::test]
async fn a_list_may_shrink() {
    let bench = bench().await;
    let ledger = bench.portal.ledger();
    bench.request("mine").await;
    for _ in 0..99 {
        ledger.add_as_colleague(Some("x"));
    }
    for (visible, expected) in
        [(Visible::All, 100), (Visible::Percent(60), 60), (Visible::Own, 1), (Visible::Percent(0), 0)]
    {
        bench.portal.configure(|config| config.visible = visible);
        assert_eq!(listed(&bench).await, expected, "{visible:?}");
    }
    bench.portal.configure(|config| {
        config.visible = Visible::Own;
        config.forms.revoke = Forms::all(Form::Bound).revoke;
    });
    assert_eq!(bench.status("GET", "container_token(1)", "").await, 200);
    assert_eq!(bench.status("GET", "container_token(2)", "").await, 404);
    assert_eq!(bench.status("POST", "container_token(2)/task_revoke_token", "{}").await, 404);
    assert_eq!(ledger.live().len(), 100, "all of them exist");
}

#[tokio::test]
async fn a_list_may_learn_late() {
    let bench = Bench::new(Config { list_lag: Duration::from_millis(700), ..Config::default() }).await;
    let ledger = bench.portal.ledger();
    bench.request("a").await;
    assert_eq!((listed(&bench).await, ledger.live().len()), (0, 1));
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(listed(&bench).await, 1);
    ledger.revoke_as_colleague(1);
    assert_eq!((listed(&bench).await, ledger.live().len()), (1, 0));
    assert_eq!(bench.status("GET", "container_token(1)", "").await, 200);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(listed(&bench).await, 0);
    assert_eq!(bench.status("GET", "container_token(1)", "").await, 404);
}

#[tokio::test]
async fn the_next_link_can_lead_elsewhere() {
    let bench = bench().await;
    bench.request("a").await;
    let address = "https://elsewhere.example.com/iam/tcp/container_token?$skip=1";
    bench.portal.faults().once(Operation::List, Fault::NextLink(address.to_owned()));
    let page: Value = bench.object("GET", "container_token", "").await;
    assert_eq!((&page["@odata.nextLink"], page["value"].as_array().unwrap().len()), (&Value::from(address), 1));
    assert!(bench.object("GET", "container_token", "").await.get("@odata.nextLink").is_none());
}

#[tokio::test]
async fn nulls_may_be_shown() {
    let bench = bench().await;
    bench.portal.ledger().add_as_colleague(None);
    let row = bench.rows("").await.remove(0);
    assert!(row.get("description").is_none() && row.get("remark").is_none());
    bench.portal.configure(|config| config.show_nulls = true);
    let row = bench.rows("").await.remove(0);
    assert!(row["description"].is_null() && row.get("description").is_some() && row.get("remark").is_some());
}

#[tokio::test]
async fn a_request_can_create_two_rows_with_one_description() {
    let bench = bench().await;
    bench.portal.faults().once(Operation::Request, Fault::Twice);
    let answer = bench.request("x [a/b]").await;
    let live = bench.portal.ledger().live();
    let descriptions: Vec<Option<&str>> = live.iter().map(|token| token.description.as_deref()).collect();
    assert_eq!(descriptions, [Some("x [a/b]"); 2]);
    assert_eq!(answer["username"], live[1].username);
    assert_eq!(bench.portal.ledger().count(Operation::Request), 1, "requested once");
}

#[tokio::test]
async fn descriptions_can_be_normalized_and_usernames_unusual() {
    let prefix = "robot$+\"'é ".to_owned();
    let bench = Bench::new(Config { tidy_descriptions: true, username_prefix: prefix, ..Config::default() }).await;
    let answer = bench.request("  prod-eu,  team-a [x/y] ").await;
    let token = &bench.portal.ledger().live()[0];
    assert_eq!(token.description.as_deref(), Some("Prod-eu, team-a [x/y]"));
    assert_eq!((answer["username"].as_str(), token.username.as_str()), (Some("robot$+\"'é 1"), "robot$+\"'é 1"));
    let login = bench.http.get(format!("https://{}/token", bench.portal.registry_host()));
    let login = login.basic_auth(&token.username, Some(&token.secret)).send().await.unwrap();
    assert_eq!(login.status(), 200);
}
