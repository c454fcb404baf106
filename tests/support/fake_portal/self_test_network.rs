//! A portal that is unreachable, and the control interface.

use super::{Bench, bench};
use crate::fake_portal::{Config, FakePortal, Operation, Ports};
use reqwest::Client;
use serde_json::{Value, json};

#[tokio::test]
async fn the_portal_goes_down_and_comes_back_at_its_port() {
    let bench = bench().await;
    for _ in 0..3 {
        // Not kept alive: the next request would fail in another way on a kept connection.
        let once = bench.get("$metadata").header("connection", "close");
        assert_eq!(once.send().await.unwrap().status(), 200);
        bench.portal.down().await;
        // The client may reuse its old connection before it notices that it is closed.
        let _ = bench.get("$metadata").send().await.unwrap_err();
        assert!(bench.get("$metadata").send().await.unwrap_err().is_connect());
        bench.portal.up().await;
    }
    let connections: Vec<u64> =
        bench.portal.ledger().requests_since(0).iter().map(|request| request.connection).collect();
    assert!(connections.windows(2).all(|pair| pair[0] < pair[1]), "{connections:?}");
    assert_eq!(bench.portal.ledger().connections_since(1), 2);
}

#[tokio::test]
async fn nothing_comes_back_from_a_black_hole() {
    let bench = bench().await;
    assert_eq!(bench.get("$metadata").send().await.unwrap().status(), 200);
    bench.portal.blackhole().await;
    let short = std::time::Duration::from_millis(300);
    for client in [bench.http.clone(), Client::new()] {
        let request = client.get(bench.address("$metadata")).timeout(short);
        assert!(request.send().await.unwrap_err().is_timeout());
    }
    assert_eq!(bench.portal.ledger().position(), 1, "nothing has arrived");
    bench.portal.up().await;
    assert_eq!(bench.get("$metadata").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn http2_and_plain_http_are_supported() {
    let bench = Bench::new(Config { http2: true, ..Config::default() }).await;
    assert_eq!(bench.get("$metadata").send().await.unwrap().version(), reqwest::Version::HTTP_2);
    let bench = Bench::new(Config { tls: false, ..Config::default() }).await;
    assert!(bench.portal.portal_url().starts_with("http://localhost:"));
    assert_eq!(bench.get("$metadata").send().await.unwrap().status(), 200);
}

#[test]
fn it_outlives_the_runtime_that_started_it() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime().block_on(bench());
    let portal = bench.portal;
    runtime().block_on(async {
        let _ = Client::new();
        let bench = Bench { http: super::bench().await.http, portal };
        let error = bench.get("$metadata").send().await.unwrap_err();
        assert!(error.is_connect(), "it is there, with a CA of its own: {error:?}");
    });
}

struct Control(Client, String);

impl Control {
    async fn get(&self, path: &str) -> Value {
        self.0.get(format!("{}{path}", self.1)).send().await.unwrap().json().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> u16 {
        self.0.post(format!("{}{path}", self.1)).json(body).send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn another_process_can_inspect_and_inject_faults() {
    let bench = Bench::new(Config { ports: Ports { control: Some(0), ..Ports::default() }, ..Config::default() }).await;
    let control = Control(Client::new(), bench.portal.control_url().unwrap());
    assert_eq!(
        control.post("/faults", &json!({"operation": "request", "fault": {"status": 503}, "times": 1})).await,
        204
    );
    assert_eq!(control.post("/faults", &json!({"operation": "request", "fault": "garbage", "times": 1})).await, 204);
    let body = json!({"description": "x"});
    assert_eq!(bench.post("request_token", &body).send().await.unwrap().status(), 503);
    assert!(bench.post("request_token", &body).send().await.unwrap().json::<Value>().await.is_err());

    let ledger = control.get("/ledger").await;
    assert_eq!((&ledger["tokens"][0]["id"], ledger["position"].as_u64()), (&json!(1), Some(2)));
    assert!(ledger["tokens"][0].get("secret").is_none());
    assert!(control.get("/ledger?secrets=true").await["tokens"][0]["secret"].is_string());
    assert_eq!(control.post("/tokens/1/revoke", &Value::Null).await, 204);
    assert_eq!(bench.portal.ledger().live().len(), 0);
    assert_eq!(control.post("/config", &json!({"page_size": 7, "names": {"table": "t"}})).await, 204);
    let config = bench.portal.config();
    assert_eq!(
        (config.page_size, config.names.table.as_str(), config.names.key.as_str()),
        (7, "t", "container_token_id")
    );
    assert_eq!(control.post("/config", &json!({"page_sise": 7})).await, 400);
    assert_eq!(control.post("/down", &Value::Null).await, 204);
    let _ = bench.get("$metadata").send().await.unwrap_err();
    assert_eq!(control.post("/up", &Value::Null).await, 204);
    assert_eq!(bench.get("$metadata").send().await.unwrap().status(), 200);
    assert_eq!(bench.portal.ledger().count(Operation::Any), 3);
}

#[tokio::test]
async fn a_dropped_fake_portal_stops() {
    let portal = FakePortal::start(Config { tls: false, ..Config::default() }).await;
    let address = portal.portal_url();
    drop(portal);
    assert!(Client::new().get(address).send().await.unwrap_err().is_connect());
}
