//! How a portal is used, in lines for people.

use crate::portal::Resolved;
use crate::portal::thinkwise::interface::{Argument, BoundTo, IdSource, Interface, Source, TaskCall, TokenTable};
use crate::portal::thinkwise::metadata::WayForm;

/// Table and tasks, one a line, and what to know of them.
#[must_use]
pub fn lines(interface: &Interface, resolved: &Resolved) -> Vec<String> {
    let mut lines = vec![];
    if let Some(table) = &interface.table {
        lines.push(table_line(table, interface.description_max));
    }
    let outputs = &interface.outputs;
    let id = match &outputs.id {
        IdSource::Output(name) => format!(", id {name} ({})", certainty(interface, resolved, name)),
        IdSource::Username => ", which is the id too".to_owned(),
        IdSource::LookUp => ", id looked up in the table".to_owned(),
    };
    let answer = format!("; answers secret {}, username {}{id}", outputs.secret, outputs.username);
    lines.push(format!("request          {}{answer}", task_line(&interface.request)));
    lines.push(format!("editDescription  {}", task_line(&interface.edit)));
    lines.push(format!("revoke           {}", task_line(&interface.revoke)));
    lines.extend(resolved.notes.iter().map(|note| format!("note             {note}")));
    match &resolved.list_hidden {
        None => lines.push("list             can be read".to_owned()),
        Some(why) => {
            lines.push(format!("list             cannot be read: {why}"));
            lines.push(
                "                 So there are no audits: a token whose answer was lost is not found; one that is gone, by its login only"
                    .to_owned(),
            );
        }
    }
    lines
}

/// How sure it is that an output holds the token's id.
fn certainty(interface: &Interface, resolved: &Resolved, output: &str) -> &'static str {
    match &interface.table {
        Some(table) if resolved.list_hidden.is_none() && table.id.name == output => {
            "sure: it has the name of the key column"
        }
        Some(_) if resolved.list_hidden.is_none() => {
            "not sure: its name is not that of the key column; the first two tokens are compared with the list"
        }
        _ => "not sure: our user sees no list to compare it with",
    }
}

fn table_line(table: &TokenTable, longest: Option<usize>) -> String {
    let fixed = table.fixed.iter().map(|(column, value)| format!("{column}={}", value.as_text()));
    let others = table.others.iter().map(|column| format!("{} of each row", column.name));
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
        (WayForm::Unbound, _) => "unbound, one request",
        (WayForm::Bound, _) => "bound, one request",
        (WayForm::Staged, None) => "unbound, staged in three requests",
        (WayForm::Staged, Some(_)) => "bound, staged in three requests",
    };
    let row = match &task.row {
        None => String::new(),
        Some(BoundTo::Token) => ", at the token's row".to_owned(),
        Some(BoundTo::Fixed { table, key }) => {
            let key: Vec<String> = key.iter().map(|(column, value)| format!("{column}={}", value.as_text())).collect();
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
        Source::Description => format!("{name} from Description"),
        Source::TokenId => format!("{name} from TokenID"),
        Source::Username => format!("{name} from Username"),
        Source::Fixed(value) => format!("{name}={}", value.as_text()),
    }
}
