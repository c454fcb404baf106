//! Tasks that are bound to a row, in one request, and tasks with fixed parameters.

use super::{Bench, bench, message};
use crate::fake_portal::{BoundTo, Config, FixedPart, Form, Forms, KeyShape, Names, Operation};
use serde_json::{Value, json};

async fn bound(forms: Forms) -> Bench {
    Bench::new(Config { forms, ..Config::default() }).await
}

#[tokio::test]
async fn a_bound_task_takes_parameters_that_its_row_does_not_provide() {
    let bench = bound(Forms::all(Form::Bound)).await;
    let ledger = bench.portal.ledger();
    let answer = bench.object("POST", "klant(42)/task_request_token", r#"{"description":"a"}"#).await;
    let token = &ledger.live()[0];
    assert_eq!(answer, json!({"description": "a", "username": token.username, "secret": token.secret}));
    let edit = bench.object("POST", "container_token(1)/task_edit_token_description", r#"{"description":"b"}"#).await;
    assert_eq!((edit, ledger.live()[0].description.as_deref()), (json!({"description": "b"}), Some("b")));
    let superfluous = r#"{"container_token_id":1,"description":"c"}"#;
    assert_eq!(bench.status("POST", "container_token(1)/task_edit_token_description", superfluous).await, 400);
    assert_eq!(bench.status("POST", "container_token(2)/task_revoke_token", "{}").await, 404);
    assert_eq!(bench.status("POST", "container_token(1)/task_revoke_token", "{}").await, 200);
    assert_eq!(bench.status("POST", "container_token(1)/task_revoke_token", "{}").await, 404, "the row is gone");
    assert!(ledger.live().is_empty());
    for (task, count, applied) in [(Operation::Request, 1, 1), (Operation::Edit, 2, 1), (Operation::Revoke, 3, 1)] {
        assert_eq!((ledger.count(task), ledger.applied(task)), (count, applied), "{task:?}");
    }
}

#[tokio::test]
async fn a_form_that_is_not_published_does_not_exist() {
    let (unbound, row) = ("request_token", "klant(42)/task_request_token");
    let cases = [
        (Form::Unbound, [(unbound, 200), (row, 404), ("klant(42)/task_request_token/stage", 404)]),
        (Form::Bound, [(unbound, 404), (row, 200), ("klant(42)/task_request_token/stage", 404)]),
        (Form::BoundStaged, [(unbound, 404), (row, 404), ("klant(42)/task_request_token/stage", 201)]),
        (Form::BoundEither, [(unbound, 404), (row, 200), ("klant(42)/task_request_token/stage", 201)]),
    ];
    for (form, paths) in cases {
        let bench = bound(Forms::all(form)).await;
        for (path, status) in paths {
            let body = if path.ends_with("stage") { "" } else { r#"{"description":"a"}"# };
            assert_eq!(bench.status("POST", path, body).await, status, "{form:?} {path}");
        }
        let made = usize::from(form != Form::BoundStaged);
        assert_eq!(bench.portal.ledger().live().len(), made, "{form:?}");
        assert_eq!(bench.portal.ledger().count(Operation::Request), made, "{form:?}");
    }
}

#[tokio::test]
async fn the_request_is_bound_to_one_row_of_another_table() {
    let key = vec![FixedPart::new("klant_id", 42), FixedPart::new("product_id", 7)];
    let bound_to = BoundTo { table: "klant_product".to_owned(), key };
    let bench = bound(Forms { bound_to, ..Forms::all(Form::Bound) }).await;
    let at = async |key: &str| {
        bench.send("POST", &format!("klant_product{key}/task_request_token"), r#"{"description":"a"}"#).await
    };
    assert_eq!(at("(klant_id=42,product_id=7)").await.0, 200);
    assert_eq!(at("(product_id=7,klant_id=42)").await.0, 200, "in any order");
    let (status, neighbour) = at("(klant_id=42,product_id=8)").await;
    assert_eq!((status, &message(&neighbour)["MessageID"]), (400, &json!("no_tokens_here")));
    assert_eq!(at("(klant_id=41,product_id=7)").await.0, 404);
    for wrong in ["(42,7)", "(klant_id=42)", "(klant_id='42',product_id=7)", "(klant_id=42,product_id=7,x=1)", "()"] {
        let (status, answer) = at(wrong).await;
        assert_eq!((status, &message(&answer)["RawMessage"]), (400, &json!("The key is invalid.")), "{wrong}");
    }
    let row: Value = bench.object("GET", "klant_product(klant_id=42,product_id=7)", "").await;
    assert_eq!(row["product_id"], 7);
    assert_eq!(bench.portal.ledger().live().len(), 2);
}

#[tokio::test]
async fn a_fixed_parameter_comes_first_and_is_checked() {
    let fixed = vec![FixedPart::new("klant_id", 42)];
    let mut forms = Forms::default();
    forms.request.fixed.clone_from(&fixed);
    forms.edit.fixed.clone_from(&fixed);
    let bench = bound(forms).await;
    let request = async |body: &str| bench.send("POST", "request_token", body).await;
    assert_eq!(request(r#"{"description":"a"}"#).await.0, 400);
    assert_eq!(request(r#"{"klant_id":"42","description":"a"}"#).await.0, 400);
    let (status, other) = request(r#"{"klant_id":43,"description":"a"}"#).await;
    assert_eq!((status, &message(&other)["MessageID"]), (400, &json!("not_yours")));
    assert!(bench.portal.ledger().all().is_empty());
    assert_eq!(request(r#"{"klant_id":42,"description":"a"}"#).await.0, 200);

    // If the row has such a column in its key, the row provides it.
    bench.portal.configure(|config| {
        config.key = KeyShape { fixed, ..KeyShape::default() };
        config.forms.edit.form = Form::Bound;
    });
    let edit = "container_token(klant_id=42,container_token_id=1)/task_edit_token_description";
    assert_eq!(bench.status("POST", edit, r#"{"klant_id":42,"description":"b"}"#).await, 400);
    assert_eq!(bench.status("POST", edit, r#"{"description":"b"}"#).await, 200);
}

#[tokio::test]
async fn a_token_can_be_identified_by_its_username() {
    let config = Config { names: Names::by_username(), table_hidden: true, ..Config::default() };
    let bench = Bench::new(config).await;
    let username = bench.request("a").await["username"].as_str().unwrap().to_owned();
    assert_eq!(bench.status("GET", "container_token", "").await, 404, "the table is hidden");
    assert_eq!(bench.status("GET", "container_token(1)", "").await, 404);
    let metadata = bench.send("GET", "$metadata", "").await.1.text().await.unwrap();
    assert!(!metadata.contains("\"container_token\"") && metadata.contains("revoke_token"));
    let edit = json!({"username": username, "description": "b"}).to_string();
    // In the declared order, which is not alphabetical.
    let edit = edit.replace(r#"{"description":"b","#, "{").replace('}', r#","description":"b"}"#);
    assert_eq!(bench.status("POST", "edit_token_description", &edit).await, 200);
    assert_eq!(bench.portal.ledger().live()[0].description.as_deref(), Some("b"));
    let revoke = json!({"username": username}).to_string();
    assert_eq!(bench.status("POST", "revoke_token", &revoke).await, 200);
    assert!(bench.portal.ledger().live().is_empty());
}

#[tokio::test]
async fn running_another_task_is_recorded() {
    let bench = bench().await;
    for task in ["request_quote", "klant_product(klant_id=42,product_id=7)/task_revoke_contract"] {
        assert_eq!(bench.status("POST", task, "{}").await, 200);
    }
    assert_eq!(bench.portal.ledger().applied(Operation::Other), 2);
    bench.portal.configure(|config| config.decoys = false);
    assert_eq!(bench.status("POST", "request_quote", "{}").await, 404);
}
