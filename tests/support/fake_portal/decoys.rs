//! Other tables and tasks of the same application, some of which look much like those for tokens, so that discovery in
//! `$metadata` has to choose. The request for a token may be bound to a row of one of these tables.

use super::config::Config;
use super::forms::BoundTo;
use super::keys::Kind;
use serde_json::{Map, Value, json};

/// A table in addition to that of the tokens.
pub(super) struct OtherTable {
    pub(super) name: String,
    pub(super) key: Vec<(String, Kind)>,
    /// The columns that are not part of the key.
    pub(super) columns: Vec<(String, Kind)>,
    pub(super) rows: Vec<Value>,
}

/// A task in addition to the three for tokens.
pub(super) struct OtherTask {
    pub(super) name: &'static str,
    /// The table to which it is bound.
    pub(super) bound: Option<&'static str>,
    pub(super) parameters: &'static [(&'static str, Kind)],
    pub(super) outputs: &'static [(&'static str, Kind)],
}

/// Names, columns with those of the key first, and the number of key columns.
type Shape = (&'static str, usize, &'static [(&'static str, Kind)]);

const TABLES: [Shape; 6] = [
    ("klant", 1, &[("klant_id", Kind::Int32), ("naam", Kind::Text), ("omschrijving", Kind::Text)]),
    ("product", 1, &[("product_id", Kind::Int32), ("description", Kind::Text)]),
    ("klant_product", 2, &[("klant_id", Kind::Int32), ("product_id", Kind::Int32), ("contract", Kind::Text)]),
    ("container_image", 1, &[("container_image_id", Kind::Int32), ("description", Kind::Text), ("tag", Kind::Text)]),
    ("medewerker", 1, &[("medewerker_id", Kind::Int32), ("username", Kind::Text), ("naam", Kind::Text)]),
    ("access_key", 1, &[("access_key_id", Kind::Guid), ("username", Kind::Text), ("remark", Kind::Text)]),
];

/// The decoy tasks. Running one is an error that tests can see: the log shows it as applied.
pub(super) const TASKS: [OtherTask; 6] = [
    OtherTask {
        name: "request_quote",
        bound: None,
        parameters: &[("description", Kind::Text), ("amount", Kind::Int32)],
        outputs: &[("quote_id", Kind::Int32)],
    },
    OtherTask {
        name: "offerte_aanvragen",
        bound: None,
        parameters: &[("omschrijving", Kind::Text)],
        outputs: &[("offerte_id", Kind::Int32)],
    },
    OtherTask {
        name: "edit_image_description",
        bound: None,
        parameters: &[("container_image_id", Kind::Int32), ("description", Kind::Text)],
        outputs: &[],
    },
    OtherTask { name: "revoke_invitation", bound: None, parameters: &[("invitation_id", Kind::Int32)], outputs: &[] },
    OtherTask {
        name: "request_download",
        bound: Some("klant_product"),
        parameters: &[("description", Kind::Text)],
        outputs: &[("url", Kind::Text)],
    },
    OtherTask { name: "revoke_contract", bound: Some("klant_product"), parameters: &[], outputs: &[] },
];

/// All published decoy tables.
pub(super) fn tables(config: &Config) -> Vec<OtherTable> {
    let to = &config.forms.bound_to;
    let is_wanted = |name: &str| config.decoys || (name == to.table && config.forms.request.form.is_bound());
    let mut tables: Vec<OtherTable> =
        TABLES.iter().filter(|(name, ..)| is_wanted(name)).map(|shape| with_rows(shape, to)).collect();
    if is_wanted(&to.table) && !tables.iter().any(|table| table.name == to.table) {
        tables.push(of_rows(to));
    }
    tables
}

pub(super) fn table(config: &Config, name: &str) -> Option<OtherTable> {
    tables(config).into_iter().find(|table| table.name == name)
}

/// Whether this is a decoy task that is published unbound or at this table.
pub(super) fn is_task(config: &Config, segment: &str, table: Option<&str>) -> bool {
    let name = if table.is_some() { segment.strip_prefix("task_") } else { Some(segment) };
    config.decoys && TASKS.iter().any(|task| Some(task.name) == name && task.bound == table)
}

/// A table with the row to which the request is bound, if it is this table's, and one more row.
fn with_rows((name, key, columns): &Shape, to: &BoundTo) -> OtherTable {
    let owned: Vec<(String, Kind)> = columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    let (key, columns) = owned.split_at(*key);
    let mut table = OtherTable { name: (*name).to_owned(), key: key.to_vec(), columns: columns.to_vec(), rows: vec![] };
    let ours: Map<String, Value> = to.key.iter().map(|part| (part.column.clone(), part.value.clone())).collect();
    let usual = [("klant_id", json!(42)), ("product_id", json!(7))];
    for step in 0..2 {
        let mut row = Map::new();
        for (at, (column, kind)) in table.key.iter().enumerate() {
            let usual = usual.iter().find(|(name, _)| name == column).map(|(_, value)| value.clone());
            let first = ours.get(column).filter(|_| to.table == *name).cloned().or(usual);
            let value = first.unwrap_or_else(|| sample(*kind));
            let is_last = at + 1 == table.key.len();
            row.insert(column.clone(), if is_last && step == 1 { next(&value) } else { value });
        }
        row.extend(table.columns.iter().map(|(column, _)| (column.clone(), json!(format!("{column} {step}")))));
        table.rows.push(Value::Object(row));
    }
    table
}

/// A table of which only the row to which the request is bound is known.
fn of_rows(to: &BoundTo) -> OtherTable {
    let row: Map<String, Value> = to.key.iter().map(|part| (part.column.clone(), part.value.clone())).collect();
    let key = to.key.iter().map(|part| (part.column.clone(), Kind::of(&part.value))).collect();
    OtherTable { name: to.table.clone(), key, columns: vec![], rows: vec![Value::Object(row)] }
}

fn sample(kind: Kind) -> Value {
    match kind {
        Kind::Int32 | Kind::Int64 => json!(1),
        Kind::Guid => json!("0f8fad5b-d9cb-469f-a165-70867728950e"),
        Kind::Text | Kind::Flag => json!("a"),
    }
}

fn next(value: &Value) -> Value {
    match value.as_i64() {
        Some(number) => json!(number + 1),
        None => json!(value.as_str().unwrap_or_default().replace("950e", "950f")),
    }
}
