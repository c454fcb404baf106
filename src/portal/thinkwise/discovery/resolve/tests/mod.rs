#![allow(
    clippy::needless_pass_by_value,
    clippy::format_collect,
    reason = "test cases are most readable where they are used"
)]

mod names;
mod rows;
mod unbound_staged;

use super::*;
use crate::portal::thinkwise::discovery::interface::{Argument, ArgumentSource, BoundTo, Column, IdSource};
use crate::portal::thinkwise::discovery::metadata::InvocationForm;
use crate::portal::thinkwise::odata::literal::Literal;
use serde_json::{Value, json};

fn structure(kind: &str, name: &str, key: &[&str], fields: &[(&str, &str)]) -> String {
    let key: String = key.iter().map(|name| format!(r#"<PropertyRef Name="{name}"/>"#)).collect();
    let key = if key.is_empty() { key } else { format!("<Key>{key}</Key>") };
    let fields: String =
        fields.iter().map(|(name, of)| format!(r#"<Property Name="{name}" Type="Edm.{of}"/>"#)).collect();
    format!(r#"<{kind} Name="{name}">{key}{}</{kind}>"#, sized(&fields))
}

/// Gives descriptions a length.
fn sized(fields: &str) -> String {
    fields
        .replace(r#""description" Type="Edm.String""#, r#""description" Type="Edm.String" MaxLength="120""#)
        .replace(r#""omschrijving" Type="Edm.String""#, r#""omschrijving" Type="Edm.String" MaxLength="80""#)
}

/// A parameter whose type ends in `!` is required.
fn action(name: &str, row: Option<&str>, inputs: &[(&str, &str)], returns: Option<&str>) -> String {
    let bound = row.map_or(String::new(), |row| format!(r#"<Parameter Name="row" Type="tcp.{row}"/>"#));
    let inputs: String = inputs
        .iter()
        .map(|(name, of)| {
            let nullable = if of.ends_with('!') { r#" Nullable="false""# } else { "" };
            format!(r#"<Parameter Name="{name}" Type="Edm.{}"{nullable}/>"#, of.trim_end_matches('!'))
        })
        .collect();
    let returns = returns.map_or(String::new(), |of| format!(r#"<ReturnType Type="tcp.{of}"/>"#));
    let is_bound = row.is_some();
    format!(r#"<Action Name="{name}" IsBound="{is_bound}">{bound}{}{returns}</Action>"#, sized(&inputs))
}

fn catalog(parts: &[String], sets: &[&str]) -> Catalog {
    let sets: String =
        sets.iter().map(|name| format!(r#"<EntitySet Name="{name}" EntityType="tcp.{name}"/>"#)).collect();
    let text = format!(
        r#"<Edmx><DataServices><Schema Namespace="tcp">{}<EntityContainer Name="c">{sets}</EntityContainer></Schema></DataServices></Edmx>"#,
        parts.concat()
    );
    Catalog::read(text.as_bytes()).expect("a catalog")
}

const ID: (&str, &str) = ("container_token_id", "Int32");
const TEXTS: [(&str, &str); 2] = [("username", "String"), ("description", "String")];

fn token_table() -> String {
    structure("EntityType", "container_token", &["container_token_id"], &[ID, TEXTS[0], TEXTS[1]])
}

fn made() -> String {
    let fields = [("description", "String"), ("username", "String"), ("secret", "String")];
    structure("ComplexType", "made", &[], &fields)
}

fn tasks() -> Vec<String> {
    vec![
        made(),
        action("request_token", None, &[("description", "String!")], Some("made")),
        action("edit_token_description", None, &[("container_token_id", "Int32!"), ("description", "String")], None),
        action("revoke_token", None, &[("container_token_id", "Int32!")], None),
    ]
}

fn english() -> Catalog {
    catalog(&[vec![token_table()], tasks()].concat(), &["container_token"])
}

fn dutch() -> Catalog {
    let columns = [
        ("klant_token_id", "Guid"),
        ("gebruikersnaam", "String"),
        ("omschrijving", "String"),
        ("update_user", "String"),
    ];
    let parts = [
        structure("EntityType", "klant_token", &["klant_token_id"], &columns),
        structure(
            "ComplexType",
            "gemaakt",
            &[],
            &[("klant_token_id", "Guid"), ("gebruikersnaam", "String"), ("geheim", "String")],
        ),
        action("token_aanvragen", None, &[("omschrijving", "String!")], Some("gemaakt")),
        action("token_omschrijving_wijzigen", None, &[("klant_token_id", "Guid!"), ("omschrijving", "String!")], None),
        action("token_intrekken", None, &[("klant_token_id", "Guid!"), ("bevestigd", "Boolean!")], None),
    ];
    catalog(&parts, &["klant_token"])
}

fn spec(more: Value) -> Thinkwise {
    let mut all = json!({
        "url": "https://portal.example.com",
        "auth": {"type": "Basic", "basic": {"secretRef": {"name": "portal"}}},
    });
    for (name, value) in more.as_object().expect("an object") {
        all[name] = value.clone();
    }
    serde_json::from_value(all).expect("a spec")
}

fn found(more: Value, catalog: &Catalog) -> Interface {
    resolve(&spec(more), catalog).expect("a match")
}

/// The mismatches, each as `field: message`.
fn problems(more: Value, catalog: &Catalog) -> Vec<String> {
    let mismatch = resolve(&spec(more), catalog).expect_err("a mismatch");
    mismatch.0.iter().map(FieldMismatch::to_string).collect()
}

/// Asserts that there is one mismatch: with this field, and with these words.
fn is_problem(more: Value, catalog: &Catalog, field: &str, words: &[&str]) {
    let all = problems(more, catalog);
    let [one] = &all[..] else { panic!("{all:#?}") };
    assert!(one.starts_with(&format!("spec.thinkwise.{field}: ")), "{one}");
    for word in words {
        assert!(one.contains(word), "{one:?} does not contain {word:?}");
    }
}

fn sent(arguments: &[Argument]) -> Vec<(&str, &ArgumentSource)> {
    arguments.iter().map(|argument| (argument.name.as_str(), &argument.source)).collect()
}

fn request(change: Value) -> Value {
    json!({"tasks": {"request": change}})
}
