#![allow(
    clippy::needless_pass_by_value,
    clippy::format_collect,
    reason = "cases read best written where they are used"
)]

use super::*;
use crate::portal::thinkwise::interface::{Argument, BoundTo, Column, IdSource, Source};
use crate::portal::thinkwise::literal::Literal;
use crate::portal::thinkwise::metadata::WayForm;
use serde_json::{Value, json};

fn structure(kind: &str, name: &str, key: &[&str], fields: &[(&str, &str)]) -> String {
    let key: String = key.iter().map(|name| format!(r#"<PropertyRef Name="{name}"/>"#)).collect();
    let key = if key.is_empty() { key } else { format!("<Key>{key}</Key>") };
    let fields: String =
        fields.iter().map(|(name, of)| format!(r#"<Property Name="{name}" Type="Edm.{of}"/>"#)).collect();
    format!(r#"<{kind} Name="{name}">{key}{}</{kind}>"#, sized(&fields))
}

/// Descriptions have a length.
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
    resolve(&spec(more), catalog).expect("it fits")
}

/// The problems, each as `field: what it says`.
fn problems(more: Value, catalog: &Catalog) -> Vec<String> {
    let mismatch = resolve(&spec(more), catalog).expect_err("it does not fit");
    mismatch.0.iter().map(Problem::to_string).collect()
}

/// There is one problem: with this field, and with these words.
fn is_problem(more: Value, catalog: &Catalog, field: &str, words: &[&str]) {
    let all = problems(more, catalog);
    let [one] = &all[..] else { panic!("{all:#?}") };
    assert!(one.starts_with(&format!("spec.thinkwise.{field}: ")), "{one}");
    for word in words {
        assert!(one.contains(word), "{one:?} does not say {word:?}");
    }
}

fn sent(arguments: &[Argument]) -> Vec<(&str, &Source)> {
    arguments.iter().map(|argument| (argument.name.as_str(), &argument.source)).collect()
}

fn request(change: Value) -> Value {
    json!({"tasks": {"request": change}})
}

#[test]
fn all_is_found_where_nothing_is_given() {
    let interface = found(json!({}), &english());
    let table = interface.table.as_ref().expect("a table");
    assert_eq!(table.id, Column { name: "container_token_id".into(), kind: Kind::Integer });
    assert_eq!((table.username.as_str(), table.description.as_str()), ("username", "description"));
    assert_eq!(interface.description_max, Some(120));
    assert_eq!((interface.request.name.as_str(), interface.request.form), ("request_token", WayForm::Unbound));
    assert_eq!(sent(&interface.request.arguments), [("description", &Source::Description)]);
    let outputs = (interface.outputs.username.as_str(), interface.outputs.secret.as_str(), &interface.outputs.id);
    assert_eq!(outputs, ("username", "secret", &IdSource::LookUp));
    let edit = [("container_token_id", &Source::TokenId), ("description", &Source::Description)];
    assert_eq!(sent(&interface.edit.arguments), edit);
    assert_eq!(sent(&interface.revoke.arguments), [("container_token_id", &Source::TokenId)]);
    assert!(interface.notes.is_empty());
}

#[test]
fn dutch_names_an_id_in_the_answer_and_a_confirmation_are_found() {
    let interface = found(json!({}), &dutch());
    assert_eq!(interface.outputs.id, IdSource::Output("klant_token_id".into()));
    assert_eq!((interface.outputs.username.as_str(), interface.outputs.secret.as_str()), ("gebruikersnaam", "geheim"));
    let yes = Source::Fixed(Literal::parse(Kind::Boolean, "true").expect("a flag"));
    assert_eq!(sent(&interface.revoke.arguments), [("klant_token_id", &Source::TokenId), ("bevestigd", &yes)]);
    assert_eq!(interface.table.expect("a table").id.kind, Kind::Guid);
    assert_eq!(interface.description_max, Some(80));
}

#[test]
fn what_the_spec_pins_goes_before_what_would_be_found() {
    let pinned = json!({
        "table": {"descriptionMaxLength": 60},
        "tasks": {"request": {"outputs": {"username": "secret", "secret": "username"}}, "revoke": {"name": "edit_token_description", "parameters": [{"name": "description", "from": "Username"}]}},
    });
    let interface = found(pinned, &english());
    assert_eq!(interface.description_max, Some(60));
    assert_eq!((interface.outputs.username.as_str(), interface.outputs.secret.as_str()), ("secret", "username"));
    assert_eq!(interface.revoke.name, "edit_token_description");
    assert_eq!(sent(&interface.revoke.arguments), [("description", &Source::Username)]);
    let note = &interface.notes[0];
    assert!(note.contains("container_token_id") && note.contains("required"), "{note}");
}

#[test]
fn a_pinned_name_that_is_missing_is_named_with_the_nearest_and_its_field() {
    let catalog = english();
    let missing = |change: Value, field: &str, near: &str| is_problem(change, &catalog, field, &["nearest: ", near]);
    missing(json!({"table": {"name": "container_tokens"}}), "table.name", "container_token");
    missing(json!({"table": {"key": [{"column": "token_id", "from": "TokenID"}]}}), "table.key", "container_token_id");
    missing(json!({"table": {"columns": {"username": "user_name"}}}), "table.columns.username", "username");
    missing(json!({"table": {"columns": {"description": "descripton"}}}), "table.columns.description", "description");
    missing(request(json!({"name": "request_tokens"})), "tasks.request.name", "request_token");
    let wrong = json!([{"name": "desc", "from": "Description"}]);
    missing(request(json!({"parameters": wrong})), "tasks.request.parameters", "description");
    missing(request(json!({"outputs": {"secret": "sceret"}})), "tasks.request.outputs.secret", "secret");
    missing(request(json!({"outputs": {"id": "secrets"}})), "tasks.request.outputs.id", "secret");
    missing(
        json!({"tasks": {"editDescription": {"name": "edit_description"}}}),
        "tasks.editDescription.name",
        "edit_token_description",
    );
    missing(json!({"tasks": {"revoke": {"name": "task_revoke_tokn"}}}), "tasks.revoke.name", "revoke_token");
    let bound =
        json!({"form": "Bound", "boundTo": {"table": "contaner_token", "key": [{"column": "a", "value": "1"}]}});
    assert!(problems(request(bound), &catalog)[0].contains("boundTo"));
}

#[test]
fn all_problems_are_told_at_once() {
    let wrong = json!({"tasks": {"request": {"name": "x"}, "editDescription": {"name": "y"}, "revoke": {"name": "z"}}});
    assert_eq!(problems(wrong.clone(), &english()).len(), 3);
    let mut with_table = wrong;
    with_table["table"] = json!({"name": "t"});
    let mismatch = resolve(&spec(with_table), &english()).expect_err("nothing fits");
    assert_eq!(mismatch.0.len(), 4);
    assert!(mismatch.to_string().contains("And 1 more"), "{mismatch}");
}

#[test]
fn what_is_not_clear_is_asked_for() {
    let second = action("delete_token", None, &[("container_token_id", "Int32!")], None);
    let two = catalog(&[vec![token_table(), second], tasks()].concat(), &["container_token"]);
    is_problem(json!({}), &two, "tasks.revoke.name", &["delete_token or revoke_token"]);
    assert_eq!(found(json!({"tasks": {"revoke": {"name": "revoke_token"}}}), &two).revoke.name, "revoke_token");
    let customer = structure("EntityType", "klant", &["klant_id"], &[("klant_id", "Int32")]);
    let none = catalog(&[customer, action("close", None, &[], None)], &["klant"]);
    let all = problems(json!({}), &none);
    for name in ["tasks.request.name", "tasks.editDescription.name", "tasks.revoke.name"] {
        assert!(all.iter().any(|one| one.contains(name)), "{all:#?}");
    }
    is_problem(json!({"table": {"columns": {}}}), &none, "table.name", &["name it"]);
}

#[test]
fn values_are_written_as_metadata_types_them_or_refused() {
    let more = action("request_token", None, &[("description", "String!"), ("klant_id", "Int32!")], Some("made"));
    let mut parts = tasks();
    parts[1] = more;
    let catalog = catalog(&[vec![token_table()], parts].concat(), &["container_token"]);
    is_problem(json!({}), &catalog, "tasks.request.parameters", &["klant_id", "with a value"]);
    let with = |value: &str| {
        request(
            json!({"parameters": [{"name": "klant_id", "value": value}, {"name": "description", "from": "Description"}]}),
        )
    };
    is_problem(with("many"), &catalog, "tasks.request.parameters", &["klant_id must be a whole number"]);
    let interface = found(with("42"), &catalog);
    let number = Source::Fixed(Literal::parse(Kind::Integer, "42").expect("a number"));
    assert_eq!(sent(&interface.request.arguments), [("klant_id", &number), ("description", &Source::Description)]);
}

fn of_customer() -> Catalog {
    let columns = [("klant_id", "Int32"), ID, TEXTS[0], TEXTS[1]];
    let table = structure("EntityType", "container_token", &["klant_id", "container_token_id"], &columns);
    let mut parts = tasks();
    parts[3] = action("revoke_token", None, &[("klant_id", "Int32!"), ("container_token_id", "Int32!")], None);
    catalog(&[vec![table], parts].concat(), &["container_token"])
}

#[test]
fn a_key_may_have_parts_that_are_fixed_and_parts_that_are_read() {
    let catalog = of_customer();
    // Nothing tells the customer of a revocation.
    is_problem(json!({}), &catalog, "tasks.revoke.parameters", &["klant_id"]);
    let key = json!([{"column": "container_token_id", "from": "TokenID"}, {"column": "klant_id", "value": "42"}]);
    let interface = found(json!({"table": {"key": key}}), &catalog);
    let table = interface.table.expect("a table");
    let number = Literal::parse(Kind::Integer, "42").expect("a number");
    assert_eq!(table.fixed, [("klant_id".to_owned(), number.clone())]);
    assert_eq!((table.key, table.others), (vec!["klant_id".to_owned(), "container_token_id".to_owned()], vec![]));
    let fixed = Source::Fixed(number);
    assert_eq!(sent(&interface.revoke.arguments), [("klant_id", &fixed), ("container_token_id", &Source::TokenId)]);
    let words = json!([{"column": "container_token_id", "from": "TokenID"}, {"column": "klant_id", "value": "many"}]);
    is_problem(json!({"table": {"key": words}}), &catalog, "table.key", &["klant_id must be a whole number"]);
}

fn bound() -> Catalog {
    let columns = [("klant_id", "Int32"), ID, TEXTS[0], TEXTS[1]];
    let staged = [("stage_id", "Guid"), ("description", "String"), ("username", "String"), ("secret", "String")];
    let parts = [
        structure("EntityType", "container_token", &["klant_id", "container_token_id"], &columns),
        structure("EntityType", "klant_product", &["klant_id"], &[("klant_id", "Int32")]),
        structure("EntityType", "staged_request_token", &["stage_id"], &staged),
        made(),
        action("task_request_token", Some("klant_product"), &[("description", "String!")], Some("made")),
        action("task_edit_token_description", Some("container_token"), &[("description", "String!")], None),
        action("task_revoke_token", Some("container_token"), &[], None),
    ];
    catalog(&parts, &["container_token", "klant_product", "staged_request_token"])
}

#[test]
fn bound_tasks_are_found_and_need_their_row() {
    let catalog = bound();
    is_problem(json!({}), &catalog, "tasks.request.boundTo", &["klant_product", "write boundTo"]);
    let row = |key: Value| request(json!({"boundTo": {"table": "klant_product", "key": key}}));
    let interface = found(row(json!([{"column": "klant_id", "value": "42"}])), &catalog);
    let number = Literal::parse(Kind::Integer, "42").expect("a number");
    let key = vec![("klant_id".to_owned(), number)];
    assert_eq!(interface.request.row, Some(BoundTo::Fixed { table: "klant_product".into(), key }));
    assert_eq!(interface.request.form, WayForm::Staged, "as it is declared");
    assert_eq!((interface.edit.form, &interface.edit.row), (WayForm::Bound, &Some(BoundTo::Token)));
    assert_eq!(sent(&interface.edit.arguments), [("description", &Source::Description)]);
    assert_eq!(sent(&interface.revoke.arguments), []);
    let others = interface.table.expect("a table").others;
    assert_eq!(others, [Column { name: "klant_id".into(), kind: Kind::Integer }]);
    is_problem(
        row(json!([{"column": "klant", "value": "42"}, {"column": "klant_id", "value": "1"}])),
        &catalog,
        "tasks.request.boundTo.key",
        &["klant", "nearest: klant_id"],
    );
    is_problem(
        row(json!([{"column": "klant_id", "value": "x"}])),
        &catalog,
        "tasks.request.boundTo.key",
        &["whole number"],
    );
    let other =
        request(json!({"boundTo": {"table": "container_token", "key": [{"column": "klant_id", "value": "1"}]}}));
    is_problem(other, &catalog, "tasks.request.boundTo", &["bound to klant_product"]);
}

#[test]
fn a_pinned_form_is_taken_where_the_task_has_it() {
    let catalog = bound();
    let row = json!({"table": "klant_product", "key": [{"column": "klant_id", "value": "42"}]});
    let with =
        |form: &str| json!({"tasks": {"request": {"form": form, "boundTo": row.clone()}, "revoke": {"form": form}}});
    let staged = found(with("BoundStaged"), &catalog);
    assert_eq!((staged.request.form, staged.revoke.form), (WayForm::Staged, WayForm::Staged));
    assert_eq!(found(with("Bound"), &catalog).request.form, WayForm::Bound);
    is_problem(request(json!({"form": "Unbound"})), &catalog, "tasks.request.form", &["bound to klant_product"]);
    is_problem(json!({"tasks": {"revoke": {"form": "Bound"}}}), &english(), "tasks.revoke.name", &["unbound"]);
}

#[test]
fn without_a_list_a_token_must_be_nameable_by_what_the_answer_holds() {
    let hidden = catalog(&tasks(), &[]);
    is_problem(json!({}), &hidden, "tasks.request.outputs.id", &["is not visible"]);
    let mut parts = tasks();
    let with_id = [("container_token_id", "Int32"), ("username", "String"), ("secret", "String")];
    parts[0] = structure("ComplexType", "made", &[], &with_id);
    let interface = found(json!({}), &catalog(&parts, &[]));
    assert_eq!((interface.table, interface.outputs.id), (None, IdSource::Output("container_token_id".into())));
    let mut parts = tasks();
    parts[2] = action("edit_token_description", None, &[("username", "String!"), ("description", "String!")], None);
    parts[3] = action("revoke_token", None, &[("username", "String!")], None);
    let interface = found(json!({}), &catalog(&parts, &[]));
    assert_eq!(interface.outputs.id, IdSource::Username);
    assert_eq!(sent(&interface.revoke.arguments), [("username", &Source::Username)]);
    // The spec asks for a table, so it has to be there.
    let pinned = json!({"table": {"name": "container_token"}});
    is_problem(pinned, &catalog(&parts, &[]), "table.name", &["leave out spec.thinkwise.table"]);
}

#[test]
fn a_list_that_turns_out_hidden_is_done_without_where_that_is_safe() {
    let problem = found(json!({}), &english()).without_list().expect_err("an id is needed");
    assert!(problem.to_string().contains("outputs.id"), "{problem}");
    assert!(found(json!({}), &dutch()).without_list().is_ok());
    let row = json!({"table": "klant_product", "key": [{"column": "klant_id", "value": "42"}]});
    let bound = found(request(json!({"boundTo": row})), &bound());
    assert!(bound.without_list().expect_err("the row cannot be read").to_string().contains("right to see the table"));
}

#[test]
fn a_key_that_cannot_be_written_is_refused() {
    let table = structure("EntityType", "container_token", &["made_at"], &[("made_at", "Date"), TEXTS[0], TEXTS[1]]);
    let catalog = catalog(&[vec![table], tasks()].concat(), &["container_token"]);
    is_problem(json!({}), &catalog, "table.key", &["made_at"]);
}

#[test]
fn what_was_found_is_found_again_where_it_is_pinned() {
    let row = json!({"table": "klant_product", "key": [{"column": "klant_id", "value": "42"}]});
    let key = json!([{"column": "klant_id", "value": "42"}, {"column": "container_token_id", "from": "TokenID"}]);
    for (more, catalog) in [
        (json!({}), english()),
        (json!({}), dutch()),
        (request(json!({"boundTo": row})), bound()),
        (json!({"table": {"key": key}}), of_customer()),
    ] {
        let interface = found(more, &catalog);
        let (table, tasks) = interface.as_spec();
        let pinned = json!({"table": table, "tasks": tasks});
        assert_eq!(found(pinned.clone(), &catalog), interface, "{pinned}");
    }
}

#[test]
fn values_that_are_given_by_name_fill_keys_rows_and_parameters() {
    let values = |value: &str| vec![("klant_id".to_owned(), value.to_owned())];
    let number = Literal::parse(Kind::Integer, "42").expect("a number");
    let of_key = resolve_with(&spec(json!({})), &of_customer(), &values("42")).expect("it fits");
    assert_eq!(of_key.table.expect("a table").fixed, [("klant_id".to_owned(), number.clone())]);
    assert_eq!(of_key.revoke.arguments[0].source, Source::Fixed(number.clone()));
    let of_row = resolve_with(&spec(json!({})), &bound(), &values("42")).expect("it fits");
    let key = vec![("klant_id".to_owned(), number.clone())];
    assert_eq!(of_row.request.row, Some(BoundTo::Fixed { table: "klant_product".into(), key }));
    let mut parts = tasks();
    parts[1] = action("request_token", None, &[("klant_id", "Int32!"), ("description", "String!")], Some("made"));
    let catalog = catalog(&[vec![token_table()], parts].concat(), &["container_token"]);
    let of_task = resolve_with(&spec(json!({})), &catalog, &values("42")).expect("it fits");
    assert_eq!(of_task.request.arguments[0].source, Source::Fixed(number));
    let mismatch = resolve_with(&spec(json!({})), &catalog, &values("many")).expect_err("no number");
    assert!(mismatch.to_string().contains("klant_id must be a whole number"), "{mismatch}");
}
