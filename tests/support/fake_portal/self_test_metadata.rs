//! `$metadata` describes everything that is published, and is well-formed XML in every form.

use super::Bench;
use crate::fake_portal::{Config, FixedPart, Flow, Form, Forms, KeyKind, KeyShape, Names};

async fn metadata(config: Config) -> String {
    let bench = Bench::new(config).await;
    let (status, answer) = bench.send("GET", "$metadata", "").await;
    assert_eq!(status, 200);
    let text = answer.text().await.unwrap();
    balanced(&text);
    text
}

/// Every element is closed, in order.
fn balanced(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in text.split('<').skip(1) {
        let tag = tag.split_once('>').expect("a tag ends").0;
        let name = tag.trim_start_matches('/').split_whitespace().next().expect("a name").trim_end_matches('/');
        match tag {
            _ if tag.starts_with('?') || tag.ends_with('/') => {}
            _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name)),
            _ => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

fn has(text: &str, parts: &[&str]) {
    // Without the line breaks between elements, so that several can be searched for at once.
    let text = text.lines().map(str::trim).collect::<String>();
    for part in parts {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test]
async fn keys_are_described() {
    let key = KeyShape {
        kind: KeyKind::Guid,
        fixed: vec![FixedPart::new("klant_id", 42)],
        varying: Some("register_id".to_owned()),
    };
    let text = metadata(Config { key, names: Names::dutch(), ..Config::default() }).await;
    has(
        &text,
        &[
            r#"<EntityType Name="klant_token"><Key><PropertyRef Name="klant_id"/><PropertyRef Name="register_id"/><PropertyRef Name="klant_token_id"/></Key>"#,
            r#"<Property Name="klant_token_id" Type="Edm.Guid" Nullable="false"/>"#,
            r#"<Action Name="token_omschrijving_wijzigen"><Parameter Name="klant_token_id" Type="Edm.Guid" Nullable="false"/>"#,
            r#"<Parameter Name="bevestigd" Type="Edm.Boolean"/>"#,
            r#"<EntityType Name="klant_product"><Key><PropertyRef Name="klant_id"/><PropertyRef Name="product_id"/></Key>"#,
            r#"<ActionImport Name="request_quote" Action="tcp.request_quote"/>"#,
        ],
    );
}

#[tokio::test]
async fn bound_and_staged_tasks_are_described() {
    let mut forms = Forms::all(Form::Bound);
    forms.edit.form = Form::BoundStaged;
    forms.request.flow = Flow::Waits;
    let text = metadata(Config { forms, description_max_length: Some(99), ..Config::default() }).await;
    has(
        &text,
        &[
            r#"<Action Name="task_request_token" IsBound="true"><Parameter Name="bindingParameter" Type="tcp.klant"/><Parameter Name="description" Type="Edm.String" MaxLength="99"/><ReturnType Type="tcp.request_token_result"/></Action>"#,
            r#"<Action Name="task_revoke_token" IsBound="true"><Parameter Name="bindingParameter" Type="tcp.container_token"/></Action>"#,
            r#"<EntityType Name="staged_edit_token_description"><Key><PropertyRef Name="staged_id"/></Key><Property Name="staged_id" Type="Edm.Guid" Nullable="false"/><Property Name="container_token_id" Type="Edm.Int32"/><Property Name="description" Type="Edm.String" MaxLength="99"/></EntityType>"#,
            r#"<Action Name="stage" IsBound="true"><Parameter Name="bindingParameter" Type="tcp.container_token"/><ReturnType Type="tcp.staged_edit_token_description"/></Action>"#,
            r#"<Action Name="commit" IsBound="true"><Parameter Name="bindingParameter" Type="tcp.staged_edit_token_description"/></Action>"#,
            r#"<EntitySet Name="staged_show_request_token" EntityType="tcp.staged_show_request_token"/>"#,
        ],
    );
    assert!(!text.contains(r#"ActionImport Name="request_token""#) && !text.contains("staged_revoke_token"));
}

#[tokio::test]
async fn without_decoys_nothing_else_is_described() {
    let text = metadata(Config { decoys: false, ..Config::default() }).await;
    assert_eq!(text.matches("<EntityType ").count(), 1);
    assert_eq!(text.matches("<Action ").count(), 3);
    assert!(!text.contains("IsBound"));
    let text = metadata(Config { decoys: false, forms: Forms::all(Form::Bound), ..Config::default() }).await;
    assert_eq!(text.matches("<EntityType ").count(), 2, "what the request is bound to is needed");
}
