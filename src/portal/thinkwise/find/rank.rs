//! Candidates for the table and the three tasks, with what speaks for each.

use super::super::metadata::{Catalog, Field, TableInfo, TaskInfo, Way};
use super::pick::{Pick, id_field, is_alike, pick};
use super::words::{Clarity, Meaning, clarity};
use std::cmp::Reverse;
use std::collections::HashMap;

/// From here on a candidate is believed.
const ENOUGH: i32 = 65;
/// A candidate is clear if it is so far ahead of the next one.
const LEAD: i32 = 10;

/// A candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// Its points; of comparison with others only.
    pub score: i32,
    /// What speaks for it and against it, in words.
    pub reasons: Vec<String>,
}

/// What came of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// This one is meant.
    Clear(&'a Candidate),
    /// One of these, and nothing tells which.
    Tie(Vec<&'a str>),
    /// None speaks for itself.
    None,
}

/// The candidate that is believed and clearly ahead.
#[must_use]
pub fn choose(candidates: &[Candidate]) -> Choice<'_> {
    let Some(best) = candidates.first().filter(|best| best.score >= ENOUGH) else { return Choice::None };
    let close = candidates.iter().filter(|one| one.score > best.score - LEAD);
    let close: Vec<&str> = close.map(|one| one.name.as_str()).collect();
    if close.len() > 1 { Choice::Tie(close) } else { Choice::Clear(best) }
}

/// Candidates for the table, best first.
#[must_use]
pub fn tables(catalog: &Catalog) -> Vec<Candidate> {
    let (bound, mut picked) = (token_tasks(catalog), Picked::default());
    sorted(catalog.tables.iter().map(|table| of_table(table, &bound, &mut picked).of(&table.name)))
}

/// Candidates for *Request token*, best first.
#[must_use]
pub fn requests(catalog: &Catalog) -> Vec<Candidate> {
    of_tasks(catalog, of_request)
}

/// Candidates for *Edit token description*, best first.
#[must_use]
pub fn edits(catalog: &Catalog, table: Option<&TableInfo>) -> Vec<Candidate> {
    of_tasks(catalog, |task, way| of_edit(task, way, table))
}

/// Candidates for *Revoke token*, best first.
#[must_use]
pub fn revocations(catalog: &Catalog, table: Option<&TableInfo>) -> Vec<Candidate> {
    of_tasks(catalog, |task, way| of_revocation(task, way, table))
}

fn of_tasks(catalog: &Catalog, score: impl Fn(&TaskInfo, &Way) -> Tally) -> Vec<Candidate> {
    let best = |task: &TaskInfo| {
        let tallies = task.ways.iter().map(|way| score(task, way));
        tallies.max_by_key(|tally| tally.score).unwrap_or_default().of(&task.name)
    };
    sorted(catalog.tasks.iter().map(best))
}

fn sorted(candidates: impl Iterator<Item = Candidate>) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = candidates.filter(|one| one.score > 0).collect();
    all.sort_by(|one, other| Reverse(one.score).cmp(&Reverse(other.score)).then_with(|| one.name.cmp(&other.name)));
    all
}

#[derive(Default)]
struct Tally {
    score: i32,
    reasons: Vec<String>,
}

impl Tally {
    fn add(&mut self, points: i32, reason: impl Into<String>) {
        self.score += points;
        self.reasons.push(reason.into());
    }

    fn of(self, name: &str) -> Candidate {
        Candidate { name: name.to_owned(), score: self.score, reasons: self.reasons }
    }

    /// Points for what a name says.
    fn name(&mut self, name: &str, meaning: Meaning, clear: i32, vague: i32, says: &str) {
        match clarity(name, meaning) {
            Clarity::Clear => self.add(clear, format!("its name says {says}")),
            Clarity::Vague => self.add(vague, format!("its name may say {says}")),
            Clarity::Silent => {}
        }
    }

    fn subject(&mut self, name: &str) {
        self.name(name, Meaning::Token, 30, 15, "token");
        self.name(name, Meaning::Registry, 10, 5, "container registry");
    }

    fn field<'a>(&mut self, found: &Pick<'a>, meaning: Meaning, points: i32, what: &str) -> Option<&'a Field> {
        self.meant(found.one(), meaning, points, what)
    }

    fn meant<'a>(&mut self, found: Option<&'a Field>, meaning: Meaning, points: i32, what: &str) -> Option<&'a Field> {
        let field = found?;
        // A vague name is worth half.
        let worth = if clarity(&field.name, meaning) == Clarity::Clear { points } else { points / 2 };
        self.add(worth, format!("{what} ({})", field.name));
        Some(field)
    }
}

/// The first task that says token clearly, by the table that it is bound to.
fn token_tasks(catalog: &Catalog) -> HashMap<&str, &str> {
    let mut found = HashMap::new();
    for task in catalog.tasks.iter().filter(|task| clarity(&task.name, Meaning::Token) == Clarity::Clear) {
        for table in task.ways.iter().filter_map(|way| way.table.as_deref()) {
            found.entry(table).or_insert(task.name.as_str());
        }
    }
    found
}

/// Username and description of a table. Tables of one type share their columns, which are looked through once.
#[derive(Default)]
struct Picked<'a>(HashMap<*const Field, (Option<&'a Field>, Option<&'a Field>)>);

impl<'a> Picked<'a> {
    fn of(&mut self, table: &'a TableInfo) -> (Option<&'a Field>, Option<&'a Field>) {
        *self.0.entry(table.columns.as_ptr()).or_insert_with(|| {
            let username = pick(&*table.columns, Meaning::Username, &[]).one();
            let taken: Vec<&str> = username.iter().map(|field| field.name.as_str()).collect();
            (username, pick(&*table.columns, Meaning::Description, &taken).one())
        })
    }
}

fn of_table<'a>(table: &'a TableInfo, bound: &HashMap<&str, &str>, picked: &mut Picked<'a>) -> Tally {
    let mut tally = Tally::default();
    tally.name(&table.name, Meaning::Token, 35, 20, "token");
    tally.name(&table.name, Meaning::Registry, 10, 5, "container registry");
    let (username, description) = picked.of(table);
    tally.meant(username, Meaning::Username, 20, "it has a username");
    tally.meant(description, Meaning::Description, 20, "it has a description");
    if let Some(task) = bound.get(table.name.as_str()) {
        tally.add(10, format!("the task {task} is bound to it"));
    }
    if table.key.is_empty() {
        tally.add(-20, "it has no key");
    }
    tally
}

fn of_request(task: &TaskInfo, way: &Way) -> Tally {
    let mut tally = Tally::default();
    tally.name(&task.name, Meaning::Request, 30, 15, "request");
    tally.subject(&task.name);
    tally.name(&task.name, Meaning::Revoke, -60, -30, "revoke");
    tally.name(&task.name, Meaning::Edit, -60, -30, "edit");
    let secret = pick(&*way.outputs, Meaning::Secret, &[]);
    let secret = tally.field(&secret, Meaning::Secret, 20, "it gives a secret").map(|field| field.name.as_str());
    let taken: Vec<&str> = secret.into_iter().collect();
    let username = pick(&*way.outputs, Meaning::Username, &taken);
    tally.field(&username, Meaning::Username, 10, "it gives a username");
    let description = pick(&*way.inputs, Meaning::Description, &taken);
    if tally.field(&description, Meaning::Description, 20, "it takes a description").is_none() {
        tally.add(-40, "it takes no description");
    }
    let needs_id = way.inputs.iter().filter(|input| input.required).find(|input| takes_id(input));
    if let Some(input) = needs_id {
        tally.add(-30, format!("it needs the id of a token ({})", input.name));
    }
    tally
}

fn takes_id(input: &Field) -> bool {
    clarity(&input.name, Meaning::Id) != Clarity::Silent && clarity(&input.name, Meaning::Token) == Clarity::Clear
}

fn of_edit(task: &TaskInfo, way: &Way, table: Option<&TableInfo>) -> Tally {
    let mut tally = Tally::default();
    tally.name(&task.name, Meaning::Edit, 30, 15, "edit");
    tally.name(&task.name, Meaning::Description, 20, 10, "description");
    tally.subject(&task.name);
    tally.name(&task.name, Meaning::Revoke, -60, -30, "revoke");
    tally.name(&task.name, Meaning::Request, -60, -15, "request");
    let description = pick(&*way.inputs, Meaning::Description, &[]);
    if tally.field(&description, Meaning::Description, 20, "it takes a description").is_none() {
        tally.add(-40, "it takes no description");
    }
    token(&mut tally, way, table);
    tally
}

fn of_revocation(task: &TaskInfo, way: &Way, table: Option<&TableInfo>) -> Tally {
    let mut tally = Tally::default();
    tally.name(&task.name, Meaning::Revoke, 30, 15, "revoke");
    tally.subject(&task.name);
    tally.name(&task.name, Meaning::Edit, -60, -15, "edit");
    tally.name(&task.name, Meaning::Request, -60, -15, "request");
    if pick(&*way.inputs, Meaning::Description, &[]).one().is_some_and(|field| field.required) {
        tally.add(-15, "it takes a description");
    }
    token(&mut tally, way, table);
    tally
}

/// Points for a way to say which token is meant.
fn token(tally: &mut Tally, way: &Way, table: Option<&TableInfo>) {
    if let (Some(bound), Some(table)) = (&way.table, table)
        && **bound == *table.name
    {
        return tally.add(25, format!("it is bound to {}", table.name));
    }
    let column = table.and_then(|table| super::id_column(table, &[]).one()).map(|key| (key.name.as_str(), key.kind));
    match id_field(&*way.inputs, column, &[]).one() {
        Some(id) if is_alike(id, column) => return tally.add(25, format!("it takes the token's id ({})", id.name)),
        // Of some other token, perhaps: that is not enough.
        Some(id) => return tally.add(0, format!("it takes an id ({})", id.name)),
        None => {}
    }
    let username = pick(&*way.inputs, Meaning::Username, &[]);
    if tally.field(&username, Meaning::Username, 25, "it takes the username").is_none() {
        tally.add(-40, "nothing tells it which token is meant");
    }
}

#[cfg(test)]
#[path = "rank_tests.rs"]
mod tests;
