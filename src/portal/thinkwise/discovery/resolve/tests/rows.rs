//! Keys, rows, forms, and lists that cannot be read.

use super::*;

fn of_customer() -> Catalog {
    let columns = [("klant_id", "Int32"), ID, TEXTS[0], TEXTS[1]];
    let table = structure("EntityType", "container_token", &["klant_id", "container_token_id"], &columns);
    let mut parts = tasks();
    parts[3] = action("revoke_token", None, &[("klant_id", "Int32!"), ("container_token_id", "Int32!")], None);
    catalog(&[vec![table], parts].concat(), &["container_token"])
}

#[test]
fn a_key_may_have_fixed_columns_and_columns_that_are_read() {
    let catalog = of_customer();
    // The customer of a revocation is unknown.
    is_problem(json!({}), &catalog, "tasks.revoke.parameters", &["klant_id"]);
    let key = json!([{"column": "container_token_id", "from": "TokenID"}, {"column": "klant_id", "value": "42"}]);
    let interface = found(json!({"table": {"key": key}}), &catalog);
    let table = interface.table.expect("a table");
    let number = Literal::parse(ValueKind::Integer, "42").expect("a number");
    assert_eq!(table.fixed, [("klant_id".to_owned(), number.clone())]);
    assert_eq!((table.key, table.row_columns), (vec!["klant_id".to_owned(), "container_token_id".to_owned()], vec![]));
    let fixed = ArgumentSource::Fixed(number);
    assert_eq!(
        sent(&interface.revoke.arguments),
        [("klant_id", &fixed), ("container_token_id", &ArgumentSource::TokenId)]
    );
    let words = json!([{"column": "container_token_id", "from": "TokenID"}, {"column": "klant_id", "value": "many"}]);
    is_problem(json!({"table": {"key": words}}), &catalog, "table.key", &["klant_id must be an integer"]);
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
    is_problem(json!({}), &catalog, "tasks.request.boundTo", &["klant_product", "set boundTo"]);
    let row = |key: Value| request(json!({"boundTo": {"table": "klant_product", "key": key}}));
    let interface = found(row(json!([{"column": "klant_id", "value": "42"}])), &catalog);
    let number = Literal::parse(ValueKind::Integer, "42").expect("a number");
    let key = vec![("klant_id".to_owned(), number)];
    assert_eq!(interface.request.row, Some(BoundTo::Fixed { table: "klant_product".into(), key }));
    assert_eq!(interface.request.form, InvocationForm::Staged, "as it is declared");
    assert_eq!((interface.edit.form, &interface.edit.row), (InvocationForm::Bound, &Some(BoundTo::Token)));
    assert_eq!(sent(&interface.edit.arguments), [("description", &ArgumentSource::Description)]);
    assert_eq!(sent(&interface.revoke.arguments), []);
    let others = interface.table.expect("a table").row_columns;
    assert_eq!(others, [Column { name: "klant_id".into(), kind: ValueKind::Integer }]);
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
        &["an integer"],
    );
    let other =
        request(json!({"boundTo": {"table": "container_token", "key": [{"column": "klant_id", "value": "1"}]}}));
    is_problem(other, &catalog, "tasks.request.boundTo", &["bound to klant_product"]);
}

#[test]
fn a_form_in_the_spec_is_used_if_the_task_has_it() {
    let catalog = bound();
    let row = json!({"table": "klant_product", "key": [{"column": "klant_id", "value": "42"}]});
    let with =
        |form: &str| json!({"tasks": {"request": {"form": form, "boundTo": row.clone()}, "revoke": {"form": form}}});
    let staged = found(with("BoundStaged"), &catalog);
    assert_eq!((staged.request.form, staged.revoke.form), (InvocationForm::Staged, InvocationForm::Staged));
    assert_eq!(found(with("Bound"), &catalog).request.form, InvocationForm::Bound);
    is_problem(request(json!({"form": "Unbound"})), &catalog, "tasks.request.form", &["bound to klant_product"]);
    is_problem(json!({"tasks": {"revoke": {"form": "Bound"}}}), &english(), "tasks.revoke.name", &["unbound"]);
}

#[test]
fn without_a_list_the_response_must_identify_the_token() {
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
    assert_eq!(sent(&interface.revoke.arguments), [("username", &ArgumentSource::Username)]);
    // The spec requires a table, so it must exist.
    let pinned = json!({"table": {"name": "container_token"}});
    is_problem(pinned, &catalog(&parts, &[]), "table.name", &["omit spec.thinkwise.table"]);
}

#[test]
fn a_list_that_cannot_be_read_is_not_used_if_that_is_safe() {
    let problem = found(json!({}), &english()).without_list().expect_err("an id is needed");
    assert!(problem.to_string().contains("outputs.id"), "{problem}");
    assert!(found(json!({}), &dutch()).without_list().is_ok());
    let row = json!({"table": "klant_product", "key": [{"column": "klant_id", "value": "42"}]});
    let bound = found(request(json!({"boundTo": row})), &bound());
    assert!(bound.without_list().expect_err("the row cannot be read").to_string().contains("access to the table"));
}

#[test]
fn a_key_of_an_unsupported_type_is_rejected() {
    let table = structure("EntityType", "container_token", &["made_at"], &[("made_at", "Date"), TEXTS[0], TEXTS[1]]);
    let catalog = catalog(&[vec![table], tasks()].concat(), &["container_token"]);
    is_problem(json!({}), &catalog, "table.key", &["made_at"]);
}

#[test]
fn a_spec_with_the_resolved_names_resolves_to_the_same_interface() {
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
fn values_given_by_name_are_used_for_keys_rows_and_parameters() {
    let values = |value: &str| vec![("klant_id".to_owned(), value.to_owned())];
    let number = Literal::parse(ValueKind::Integer, "42").expect("a number");
    let of_key = resolve_with(&spec(json!({})), &of_customer(), &values("42")).expect("a match");
    assert_eq!(of_key.table.expect("a table").fixed, [("klant_id".to_owned(), number.clone())]);
    assert_eq!(of_key.revoke.arguments[0].source, ArgumentSource::Fixed(number.clone()));
    let of_row = resolve_with(&spec(json!({})), &bound(), &values("42")).expect("a match");
    let key = vec![("klant_id".to_owned(), number.clone())];
    assert_eq!(of_row.request.row, Some(BoundTo::Fixed { table: "klant_product".into(), key }));
    let mut parts = tasks();
    parts[1] = action("request_token", None, &[("klant_id", "Int32!"), ("description", "String!")], Some("made"));
    let catalog = catalog(&[vec![token_table()], parts].concat(), &["container_token"]);
    let of_task = resolve_with(&spec(json!({})), &catalog, &values("42")).expect("a match");
    assert_eq!(of_task.request.arguments[0].source, ArgumentSource::Fixed(number));
    let mismatch = resolve_with(&spec(json!({})), &catalog, &values("many")).expect_err("no number");
    assert!(mismatch.to_string().contains("klant_id must be an integer"), "{mismatch}");
}
