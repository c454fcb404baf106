//! Describes how a portal is used, as lines for people.

use crate::portal::PortalInterface;
use crate::portal::thinkwise::discovery::interface::{
    Argument, ArgumentSource, BoundTo, IdSource, Interface, TaskCall, TokenTable,
};
use crate::portal::thinkwise::discovery::metadata::InvocationForm;

/// Table and tasks, one per line, with warnings.
#[must_use]
pub fn lines(interface: &Interface, resolved: &PortalInterface) -> Vec<String> {
    let mut lines = vec![];
    if let Some(table) = &interface.table {
        lines.push(table_line(table, interface.description_max));
    }
    let outputs = &interface.outputs;
    let id = match &outputs.id {
        IdSource::Output(name) => format!(", id {name} ({})", id_certainty(interface, resolved, name)),
        IdSource::Username => ", which is also the id".to_owned(),
        IdSource::LookUp => ", id looked up in the table".to_owned(),
    };
    let answer = format!("; outputs secret {}, username {}{id}", outputs.secret, outputs.username);
    lines.push(format!("request          {}{answer}", task_line(&interface.request)));
    lines.push(format!("editDescription  {}", task_line(&interface.edit)));
    lines.push(format!("revoke           {}", task_line(&interface.revoke)));
    lines.extend(resolved.warnings.iter().map(|note| format!("note             {note}")));
    match resolved.capabilities.list_denied() {
        None => lines.push("list             can be read".to_owned()),
        Some(why) => {
            lines.push(format!("list             cannot be read: {why}"));
            lines.push(
                "                 There are no audits: a token whose response was lost is not found; a revoked one is only found by its login"
                    .to_owned(),
            );
        }
    }
    lines
}

/// How certain it is that an output contains the token's id.
fn id_certainty(interface: &Interface, resolved: &PortalInterface, output: &str) -> &'static str {
    match &interface.table {
        Some(table) if resolved.capabilities.list_visible() && table.id.name == output => {
            "certain: it has the name of the key column"
        }
        Some(_) if resolved.capabilities.list_visible() => {
            "uncertain: its name is not that of the key column; the first two tokens are compared with the list"
        }
        _ => "uncertain: the portal user sees no list to compare it with",
    }
}

fn table_line(table: &TokenTable, longest: Option<usize>) -> String {
    let fixed = table.fixed.iter().map(|(column, value)| format!("{column}={}", value.to_text()));
    let others = table.row_columns.iter().map(|column| format!("{} of each row", column.name));
    let key: Vec<String> = fixed.chain([format!("{} (the id)", table.id.name)]).chain(others).collect();
    let longest = longest.map_or(String::new(), |most| format!(" (at most {most} characters)"));
    let (name, key) = (&table.name, key.join(", "));
    format!(
        "table            {name}: key {key}; username {}; description {}{longest}",
        table.username, table.description
    )
}

fn task_line(task: &TaskCall) -> String {
    let form = match (task.form, &task.row) {
        (InvocationForm::Unbound, _) => "unbound, one request",
        (InvocationForm::Bound, _) => "bound, one request",
        (InvocationForm::Staged, None) => "unbound, staged in three requests",
        (InvocationForm::Staged, Some(_)) => "bound, staged in three requests",
    };
    let row = match &task.row {
        None => String::new(),
        Some(BoundTo::Token) => ", at the token's row".to_owned(),
        Some(BoundTo::Fixed { table, key }) => {
            let key: Vec<String> = key.iter().map(|(column, value)| format!("{column}={}", value.to_text())).collect();
            format!(", at {table}({})", key.join(","))
        }
    };
    let sent: Vec<String> = task.arguments.iter().map(argument).collect();
    let sent = if sent.is_empty() { "nothing".to_owned() } else { sent.join(", ") };
    format!("{} ({form}{row}); sends {sent}", task.name)
}

fn argument(argument: &Argument) -> String {
    let name = &argument.name;
    match &argument.source {
        ArgumentSource::Description => format!("{name} from Description"),
        ArgumentSource::TokenId => format!("{name} from TokenID"),
        ArgumentSource::Username => format!("{name} from Username"),
        ArgumentSource::Fixed(value) => format!("{name}={}", value.to_text()),
    }
}
