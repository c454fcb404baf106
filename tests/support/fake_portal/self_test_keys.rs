//! Keys of each kind, in addresses, bodies and filters.

use super::Bench;
use crate::fake_portal::{Config, FixedPart, Form, Forms, KeyKind, KeyShape};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

async fn with_key(key: KeyShape) -> Bench {
    let bench = Bench::new(Config { key, forms: Forms::all(Form::Bound), ..Config::default() }).await;
    for description in ["a", "b", "c"] {
        bench.portal.ledger().add_as_colleague(Some(description));
    }
    bench
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

async fn description(bench: &Bench, key: &str) -> Result<String, u16> {
    let (status, answer) = bench.send("GET", &format!("container_token({key})"), "").await;
    if status != 200 {
        return Err(status);
    }
    let row: Value = answer.json().await.unwrap();
    Ok(row["description"].as_str().unwrap().to_owned())
}

async fn filtered(bench: &Bench, filter: &str) -> Result<usize, u16> {
    let (status, answer) = bench.send("GET", &format!("container_token?$filter={}", encoded(filter)), "").await;
    if status != 200 {
        return Err(status);
    }
    let page: Value = answer.json().await.unwrap();
    Ok(page["value"].as_array().unwrap().len())
}

#[tokio::test]
async fn a_guid_is_written_bare() {
    let bench = with_key(KeyShape { kind: KeyKind::Guid, ..KeyShape::default() }).await;
    let key = bench.portal.ledger().live()[1].key.clone();
    assert_eq!(description(&bench, &key).await, Ok("b".to_owned()));
    assert_eq!(description(&bench, &key.to_uppercase()).await, Ok("b".to_owned()));
    assert_eq!(description(&bench, &format!("container_token_id={key}")).await, Ok("b".to_owned()));
    for wrong in [format!("'{key}'"), format!("guid'{key}'"), "2".to_owned(), key.replace('-', "")] {
        assert_eq!(description(&bench, &wrong).await, Err(400), "{wrong}");
    }
    assert_eq!(description(&bench, &key.replace(char::is_numeric, "0")).await, Err(404));
    assert_eq!(filtered(&bench, &format!("container_token_id eq {key}")).await, Ok(1));
    assert_eq!(filtered(&bench, &format!("container_token_id eq '{key}'")).await, Err(400));
    assert_eq!(bench.rows("").await[1]["container_token_id"], json!(key));
}

#[tokio::test]
async fn a_text_is_quoted_and_encoded() {
    let bench = with_key(KeyShape { kind: KeyKind::Text, ..KeyShape::default() }).await;
    let key = bench.portal.ledger().live()[1].key.clone();
    assert!(["'", "/", "%", " ", "é", "(", ",", "=", "&"].iter().all(|sign| key.contains(sign)), "{key}");
    let quoted = format!("'{}'", key.replace('\'', "''"));
    assert_eq!(description(&bench, &encoded(&quoted)).await, Ok("b".to_owned()));
    assert_eq!(description(&bench, &encoded(&format!("container_token_id={quoted}"))).await, Ok("b".to_owned()));
    assert_eq!(description(&bench, &encoded(&key)).await, Err(400), "no quotes");
    assert_eq!(description(&bench, &encoded(&format!("'{key}'"))).await, Err(400), "quotes are not doubled");
    let bare_slash = encoded(&quoted).replace("%2F", "/");
    assert_eq!(description(&bench, &bare_slash).await, Err(404), "another path");
    let bare_percent = encoded(&quoted).replace("%25", "%");
    assert!(description(&bench, &bare_percent).await.is_err());
    assert_eq!(filtered(&bench, &format!("container_token_id eq {quoted}")).await, Ok(1));
    let edit = format!("container_token({})/task_edit_token_description", encoded(&quoted));
    assert_eq!(bench.status("POST", &edit, r#"{"description":"new"}"#).await, 200);
    assert_eq!(bench.portal.ledger().live()[1].description.as_deref(), Some("new"));
}

#[tokio::test]
async fn integers_have_their_range() {
    let bench = with_key(KeyShape { kind: KeyKind::Long, ..KeyShape::default() }).await;
    let token = &bench.portal.ledger().live()[1];
    assert_eq!((token.id, token.key.as_str()), (2, "5000000002"));
    assert_eq!(description(&bench, "5000000002").await, Ok("b".to_owned()));
    assert_eq!(description(&bench, "'5000000002'").await, Err(400));
    assert_eq!(bench.rows("").await[1]["container_token_id"], json!(5_000_000_002_i64));
    let bench = with_key(KeyShape::default()).await;
    assert_eq!(description(&bench, "2").await, Ok("b".to_owned()));
    for wrong in ["'2'", "2.0", "5000000002", "null", "", "2,3", "id=2"] {
        assert_eq!(description(&bench, wrong).await, Err(400), "{wrong}");
    }
}

#[tokio::test]
async fn a_key_may_have_parts_that_are_fixed_or_have_to_be_read() {
    let fixed = vec![FixedPart::new("klant_id", 42), FixedPart::new("land", "B'E")];
    let bench = with_key(KeyShape { fixed, varying: Some("register_id".to_owned()), ..KeyShape::default() }).await;
    let rows = bench.rows("").await;
    assert_eq!(rows[1]["land"], "B'E");
    assert_ne!(rows[0]["register_id"], rows[1]["register_id"]);
    let key =
        |register: &Value| encoded(&format!("klant_id=42,land='B''E',register_id={register},container_token_id=2"));
    assert_eq!(description(&bench, &key(&rows[1]["register_id"])).await, Ok("b".to_owned()));
    assert_eq!(description(&bench, &key(&rows[0]["register_id"])).await, Err(404));
    assert_eq!(description(&bench, "2").await, Err(400), "not the whole key");
    assert_eq!(filtered(&bench, "container_token_id eq 2 and klant_id eq 42 and land eq 'B''E'").await, Ok(1));
    let revoke = format!("container_token({})/task_revoke_token", key(&rows[1]["register_id"]));
    assert_eq!(bench.status("POST", &revoke, "{}").await, 200);
    assert_eq!(bench.portal.ledger().live().len(), 2);
}
