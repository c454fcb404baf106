//! Names that are discovered, set, missing or ambiguous.

use super::*;

#[test]
fn everything_is_discovered_if_nothing_is_set() {
    let interface = found(json!({}), &english());
    let table = interface.table.as_ref().expect("a table");
    assert_eq!(table.id, Column { name: "container_token_id".into(), kind: ValueKind::Integer });
    assert_eq!((table.username.as_str(), table.description.as_str()), ("username", "description"));
    assert_eq!(interface.description_max, Some(120));
    assert_eq!((interface.request.name.as_str(), interface.request.form), ("request_token", InvocationForm::Unbound));
    assert_eq!(sent(&interface.request.arguments), [("description", &ArgumentSource::Description)]);
    let outputs = (interface.outputs.username.as_str(), interface.outputs.secret.as_str(), &interface.outputs.id);
    assert_eq!(outputs, ("username", "secret", &IdSource::LookUp));
    let edit = [("container_token_id", &ArgumentSource::TokenId), ("description", &ArgumentSource::Description)];
    assert_eq!(sent(&interface.edit.arguments), edit);
    assert_eq!(sent(&interface.revoke.arguments), [("container_token_id", &ArgumentSource::TokenId)]);
    assert!(interface.warnings.is_empty());
}

#[test]
fn dutch_names_an_id_in_the_response_and_a_confirmation_are_found() {
    let interface = found(json!({}), &dutch());
    assert_eq!(interface.outputs.id, IdSource::Output("klant_token_id".into()));
    assert_eq!((interface.outputs.username.as_str(), interface.outputs.secret.as_str()), ("gebruikersnaam", "geheim"));
    let yes = ArgumentSource::Fixed(Literal::parse(ValueKind::Boolean, "true").expect("a flag"));
    assert_eq!(sent(&interface.revoke.arguments), [("klant_token_id", &ArgumentSource::TokenId), ("bevestigd", &yes)]);
    assert_eq!(interface.table.expect("a table").id.kind, ValueKind::Guid);
    assert_eq!(interface.description_max, Some(80));
}

#[test]
fn the_spec_takes_precedence_over_discovery() {
    let pinned = json!({
        "table": {"descriptionMaxLength": 60},
        "tasks": {"request": {"outputs": {"username": "secret", "secret": "username"}}, "revoke": {"name": "edit_token_description", "parameters": [{"name": "description", "from": "Username"}]}},
    });
    let interface = found(pinned, &english());
    assert_eq!(interface.description_max, Some(60));
    assert_eq!((interface.outputs.username.as_str(), interface.outputs.secret.as_str()), ("secret", "username"));
    assert_eq!(interface.revoke.name, "edit_token_description");
    assert_eq!(sent(&interface.revoke.arguments), [("description", &ArgumentSource::Username)]);
    let warning = &interface.warnings[0];
    assert!(warning.contains("container_token_id") && warning.contains("required"), "{warning}");
}

#[test]
fn only_the_first_of_many_candidates_are_named() {
    let tables: Vec<String> = (0..100).map(|number| format!("container_token_{number}")).collect();
    let of = |name: &String| structure("EntityType", name, &["container_token_id"], &[ID, TEXTS[0], TEXTS[1]]);
    let parts: Vec<String> = tables.iter().map(of).chain(tasks()).collect();
    let sets: Vec<&str> = tables.iter().map(String::as_str).collect();
    let all = problems(json!({}), &catalog(&parts, &sets));
    assert!(all[0].contains("or 92 more: specify which one") && all[0].len() < 500, "{all:#?}");
}

#[test]
fn a_missing_name_is_reported_with_its_field_and_suggestions() {
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
fn all_mismatches_are_reported_at_once() {
    let wrong = json!({"tasks": {"request": {"name": "x"}, "editDescription": {"name": "y"}, "revoke": {"name": "z"}}});
    assert_eq!(problems(wrong.clone(), &english()).len(), 3);
    let mut with_table = wrong;
    with_table["table"] = json!({"name": "t"});
    let mismatch = resolve(&spec(with_table), &english()).expect_err("nothing matches");
    assert_eq!(mismatch.0.len(), 4);
    assert!(mismatch.to_string().contains("And 1 more"), "{mismatch}");
}

#[test]
fn an_ambiguous_name_has_to_be_specified() {
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
    is_problem(json!({"table": {"columns": {}}}), &none, "table.name", &["specify it"]);
}

#[test]
fn values_are_written_according_to_their_type_or_rejected() {
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
    is_problem(with("many"), &catalog, "tasks.request.parameters", &["klant_id must be an integer"]);
    let interface = found(with("42"), &catalog);
    let number = ArgumentSource::Fixed(Literal::parse(ValueKind::Integer, "42").expect("a number"));
    assert_eq!(
        sent(&interface.request.arguments),
        [("klant_id", &number), ("description", &ArgumentSource::Description)]
    );
}
