//! Error details in every shape, `Retry-After` and redirects.

use super::{Bench, bench, message};
use crate::fake_portal::{Config, Fault, MessageShape, Operation};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Response, redirect};
use serde_json::{Value, json};
use std::time::SystemTime;

async fn response_to(bench: &Bench, fault: Fault) -> Response {
    bench.portal.faults().once(Operation::Request, fault);
    let answer = bench.post("request_token", &json!({"description": "x"})).send().await.unwrap();
    assert!(bench.portal.ledger().all().is_empty(), "nothing is performed");
    answer
}

#[tokio::test]
async fn details_come_in_every_shape() {
    let bench = bench().await;
    let kind = |value: &Value| value["MessageType"].as_str().map(str::to_owned);
    for (how, expected) in [
        (MessageShape::Indicium, "IndiciumMessage"),
        (MessageShape::Application, "ApplicationDbMessage"),
        (MessageShape::Technical, "TechnicalDbMessage"),
        (MessageShape::Translated, "ApplicationDbMessage"),
        (MessageShape::Long, "IndiciumMessage"),
        (MessageShape::Wild, "IndiciumMessage"),
    ] {
        let answer = response_to(&bench, Fault::MessageShape { status: 422, how }).await;
        assert_eq!((answer.status().as_u16(), kind(&message(&answer)).as_deref()), (422, Some(expected)), "{how:?}");
        assert_eq!(message(&answer)["TranslatedMessage"].is_string(), how == MessageShape::Translated);
    }
    for (how, length) in [(MessageShape::None, 0), (MessageShape::Array, 1), (MessageShape::Several, 3)] {
        let answer = response_to(&bench, Fault::MessageShape { status: 400, how }).await;
        assert_eq!(message(&answer).as_array().unwrap().len(), length, "{how:?}");
    }
    let wild = message(&response_to(&bench, Fault::MessageShape { status: 400, how: MessageShape::Wild }).await);
    assert!(wild["RawMessage"].as_str().unwrap().contains('\u{1b}'));
    for how in [MessageShape::NotJson, MessageShape::NotBase64, MessageShape::NotText] {
        let answer = response_to(&bench, Fault::MessageShape { status: 500, how }).await;
        let decoded = STANDARD.decode(answer.headers()["tsfmessages"].as_bytes());
        let json = decoded.ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        assert_eq!((answer.status().as_u16(), json), (500, None), "{how:?}");
    }
}

#[tokio::test]
async fn each_platform_has_its_own_error_format() {
    let config = Config { messages_as_array: true, translated_messages: true, ..Config::default() };
    let bench = Bench::new(config).await;
    let answer = bench.post("request_token", &json!({"description": ""})).send().await.unwrap();
    let said = message(&answer);
    assert_eq!(said[0]["RawMessage"], "<msg id=\"description_required\"></msg>");
    assert!(said[0]["TranslatedMessage"].as_str().unwrap().contains("description_required"));
}

#[tokio::test]
async fn retry_after_is_sent_in_every_form() {
    let bench = bench().await;
    let header = |answer: &Response| answer.headers()["retry-after"].to_str().unwrap().to_owned();
    let answer = response_to(&bench, Fault::RetryAfter { status: 503, seconds: 7 }).await;
    assert_eq!((answer.status().as_u16(), header(&answer)), (503, "7".to_owned()));
    let answer = response_to(&bench, Fault::RetryAt { status: 429, seconds: 3600 }).await;
    let at = header(&answer);
    assert!(at.ends_with(" GMT"), "{at}");
    let wait = httpdate::parse_http_date(&at).unwrap().duration_since(SystemTime::now()).unwrap().as_secs();
    assert!((3595..=3600).contains(&wait), "{wait}");
    let answer = response_to(&bench, Fault::RetryText { status: 429, text: "soon".to_owned() }).await;
    assert_eq!(header(&answer), "soon");
}

#[tokio::test]
async fn a_client_can_be_redirected() {
    let bench = bench().await;
    let once = Client::builder().redirect(redirect::Policy::none());
    let ca = reqwest::Certificate::from_pem(bench.portal.ca_pem().as_bytes()).unwrap();
    let bench = Bench { http: once.tls_certs_only([ca]).build().unwrap(), portal: bench.portal };
    for status in [301, 302, 307] {
        let location = "https://elsewhere.example.com/".to_owned();
        let answer = response_to(&bench, Fault::Redirect { status, location: location.clone() }).await;
        assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (status, &location.parse().unwrap()));
    }
}
