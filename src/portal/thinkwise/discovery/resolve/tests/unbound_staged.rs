//! Tasks that are staged at their own address.

use super::*;
use crate::portal::thinkwise::discovery::interface::TableNames;

const PARTS: [(&str, &str); 4] =
    [("stage_id", "Guid"), ("description", "String"), ("username", "String"), ("secret", "String")];

/// Each task with its staged form, and with an unbound action if `is_declared`.
fn staged(is_declared: bool) -> Catalog {
    let mut parts = vec![
        token_table(),
        structure("EntityType", "staged_request_token", &["stage_id"], &PARTS),
        structure("EntityType", "staged_edit_token_description", &["stage_id"], &[PARTS[0], ID, PARTS[1]]),
        structure("EntityType", "staged_revoke_token", &["stage_id"], &[PARTS[0], ID]),
    ];
    if is_declared {
        parts.extend(tasks());
    }
    let sets = ["container_token", "staged_request_token", "staged_edit_token_description", "staged_revoke_token"];
    catalog(&parts, &sets)
}

#[test]
fn a_task_that_is_staged_at_its_own_address_is_found() {
    for is_declared in [true, false] {
        let interface = found(json!({}), &staged(is_declared));
        for task in [&interface.request, &interface.edit, &interface.revoke] {
            assert_eq!((task.form, &task.row), (InvocationForm::Staged, &None), "{is_declared}: {}", task.name);
        }
        assert_eq!(sent(&interface.request.arguments), [("description", &ArgumentSource::Description)]);
        assert_eq!(sent(&interface.revoke.arguments), [("container_token_id", &ArgumentSource::TokenId)]);
        // The order of a staged task's parameters is free, and the last one may be dropped.
        let edit = [("description", &ArgumentSource::Description), ("container_token_id", &ArgumentSource::TokenId)];
        assert_eq!(sent(&interface.edit.arguments), edit, "{is_declared}");
        assert_eq!(interface.outputs.secret, "secret");
    }
}

#[test]
fn the_resolved_form_is_in_the_spec_and_a_specified_order_is_preserved() {
    let catalog = staged(true);
    let interface = found(json!({}), &catalog);
    let (table, tasks) = interface.as_spec();
    let pinned = json!({"table": table, "tasks": tasks});
    assert_eq!(pinned["tasks"]["revoke"]["form"], "UnboundStaged");
    assert_eq!(found(pinned, &catalog), interface);
    let parameters = json!([
        {"name": "container_token_id", "from": "TokenID"},
        {"name": "description", "from": "Description"},
    ]);
    let edit = json!({"tasks": {"editDescription": {"form": "UnboundStaged", "parameters": parameters}}});
    assert_eq!(sent(&found(edit, &catalog).edit.arguments)[1], ("description", &ArgumentSource::Description));
    // Every task can be staged, regardless of what is declared, and run in one request.
    let form = |form: &str| json!({"tasks": {"revoke": {"form": form}}});
    let staged_anyway = found(form("UnboundStaged"), &english());
    assert_eq!((staged_anyway.revoke.form, staged_anyway.revoke.row), (InvocationForm::Staged, None));
    assert_eq!(found(form("Unbound"), &catalog).revoke.form, InvocationForm::Unbound);
    assert_eq!(found(json!({}), &english()).request.form, InvocationForm::Unbound, "as it is declared");
}

#[test]
fn a_single_request_has_the_declared_order() {
    let edit = found(json!({}), &english()).edit;
    assert_eq!(sent(&edit.arguments)[1], ("description", &ArgumentSource::Description));
}

#[test]
fn a_staged_task_is_not_a_table_and_table_names_are_case_insensitive() {
    let tables = found(json!({}), &staged(true)).tables;
    assert_eq!(tables, TableNames::from_names(["container_token"].into_iter()));
    assert!(tables.contains("Container_Token") && !tables.contains("staged_request_token") && !tables.contains(""));
}

#[test]
fn a_missing_name_may_be_hidden_by_the_role() {
    const ROLE: &str = "the user's role does not include it";
    for (more, field) in [
        (json!({"table": {"name": "other"}}), "table.name"),
        (request(json!({"name": "other"})), "tasks.request.name"),
        (json!({"tasks": {"revoke": {"name": "other"}}}), "tasks.revoke.name"),
        (json!({"table": {"columns": {"username": "other"}}}), "table.columns.username"),
    ] {
        let all = problems(more, &english());
        let one = all.iter().find(|one| one.starts_with(&format!("spec.thinkwise.{field}: "))).expect(field);
        assert!(one.contains(ROLE), "{one}");
    }
}
