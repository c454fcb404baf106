//! Candidates for the table and the three tasks, with what speaks for each.

use super::super::metadata::{Catalog, Field, Kind, TableInfo, TaskInfo, Way};
use super::pick::{id_field, is_alike, pick};
use super::words::{Clarity, Meaning, clarity};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

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
    let (bound, mut picks) = (token_tasks(catalog), Picks::default());
    sorted(catalog.tables.iter().map(|table| of_table(table, &bound, &mut picks).of(&table.name)))
}

/// Candidates for *Request token*, best first.
#[must_use]
pub fn requests(catalog: &Catalog) -> Vec<Candidate> {
    of_tasks(catalog, of_request)
}

/// Candidates for *Edit token description*, best first.
#[must_use]
pub fn edits(catalog: &Catalog, table: Option<&TableInfo>) -> Vec<Candidate> {
    let target = Target::of(table);
    of_tasks(catalog, |task, way, picks| of_edit(task, way, &target, picks))
}

/// Candidates for *Revoke token*, best first.
#[must_use]
pub fn revocations(catalog: &Catalog, table: Option<&TableInfo>) -> Vec<Candidate> {
    let target = Target::of(table);
    of_tasks(catalog, |task, way, picks| of_revocation(task, way, &target, picks))
}

fn of_tasks<'a>(catalog: &'a Catalog, score: impl Fn(&TaskInfo, &'a Way, &mut Picks<'a>) -> Tally) -> Vec<Candidate> {
    let mut picks = Picks::default();
    let best = |task: &'a TaskInfo| {
        let tallies = task.ways.iter().map(|way| score(task, way, &mut picks));
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

/// Fields that many tables or ways share.
type Fields = Arc<[Field]>;

/// What was picked out of fields. Those that many share are looked through once for each question: a small document can
/// declare a hundred thousand fields of one type, and as many tasks that return it.
#[derive(Default)]
struct Picks<'a>(HashMap<Question<'a>, Option<&'a Field>>);

/// Where it is looked, for what, and which name is taken.
type Question<'a> = (*const [Field], Meaning, Option<&'a str>);

impl<'a> Picks<'a> {
    /// The text that says this, other than the one that is taken.
    fn text(&mut self, fields: &'a Fields, meaning: Meaning, taken: Option<&'a Field>) -> Option<&'a Field> {
        let taken = taken.map(|field| field.name.as_str());
        self.once(fields, meaning, taken, || pick(&**fields, meaning, taken.as_slice()).one())
    }

    fn once(
        &mut self,
        fields: &'a Fields,
        meaning: Meaning,
        taken: Option<&'a str>,
        find: impl FnOnce() -> Option<&'a Field>,
    ) -> Option<&'a Field> {
        *self.0.entry((Arc::as_ptr(fields), meaning, taken)).or_insert_with(find)
    }
}

fn of_table<'a>(table: &'a TableInfo, bound: &HashMap<&str, &str>, picks: &mut Picks<'a>) -> Tally {
    let mut tally = Tally::default();
    tally.name(&table.name, Meaning::Token, 35, 20, "token");
    tally.name(&table.name, Meaning::Registry, 10, 5, "container registry");
    let username = picks.text(&table.columns, Meaning::Username, None);
    let description = picks.text(&table.columns, Meaning::Description, username);
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

fn of_request<'a>(task: &TaskInfo, way: &'a Way, picks: &mut Picks<'a>) -> Tally {
    let mut tally = Tally::default();
    tally.name(&task.name, Meaning::Request, 30, 15, "request");
    tally.subject(&task.name);
    tally.name(&task.name, Meaning::Revoke, -60, -30, "revoke");
    tally.name(&task.name, Meaning::Edit, -60, -30, "edit");
    let secret = picks.text(&way.outputs, Meaning::Secret, None);
    tally.meant(secret, Meaning::Secret, 20, "it gives a secret");
    let username = picks.text(&way.outputs, Meaning::Username, secret);
    tally.meant(username, Meaning::Username, 10, "it gives a username");
    let description = picks.text(&way.inputs, Meaning::Description, secret);
    if tally.meant(description, Meaning::Description, 20, "it takes a description").is_none() {
        tally.add(-40, "it takes no description");
    }
    let needs_id = || way.inputs.iter().filter(|input| input.required).find(|input| takes_id(input));
    let needs_id = picks.once(&way.inputs, Meaning::Id, None, needs_id);
    if let Some(input) = needs_id {
        tally.add(-30, format!("it needs the id of a token ({})", input.name));
    }
    tally
}

fn takes_id(input: &Field) -> bool {
    clarity(&input.name, Meaning::Id) != Clarity::Silent && clarity(&input.name, Meaning::Token) == Clarity::Clear
}

fn of_edit<'a>(task: &TaskInfo, way: &'a Way, target: &Target<'_>, picks: &mut Picks<'a>) -> Tally {
    let mut tally = Tally::default();
    tally.name(&task.name, Meaning::Edit, 30, 15, "edit");
    tally.name(&task.name, Meaning::Description, 20, 10, "description");
    tally.subject(&task.name);
    tally.name(&task.name, Meaning::Revoke, -60, -30, "revoke");
    tally.name(&task.name, Meaning::Request, -60, -15, "request");
    let description = picks.text(&way.inputs, Meaning::Description, None);
    if tally.meant(description, Meaning::Description, 20, "it takes a description").is_none() {
        tally.add(-40, "it takes no description");
    }
    target.token(&mut tally, way, picks);
    tally
}

fn of_revocation<'a>(task: &TaskInfo, way: &'a Way, target: &Target<'_>, picks: &mut Picks<'a>) -> Tally {
    let mut tally = Tally::default();
    tally.name(&task.name, Meaning::Revoke, 30, 15, "revoke");
    tally.subject(&task.name);
    tally.name(&task.name, Meaning::Edit, -60, -15, "edit");
    tally.name(&task.name, Meaning::Request, -60, -15, "request");
    if picks.text(&way.inputs, Meaning::Description, None).is_some_and(|field| field.required) {
        tally.add(-15, "it takes a description");
    }
    target.token(&mut tally, way, picks);
    tally
}

/// The table of the token that an edit or a revocation is about, and its id's column.
struct Target<'t> {
    table: Option<&'t TableInfo>,
    column: Option<(&'t str, Kind)>,
}

impl<'t> Target<'t> {
    fn of(table: Option<&'t TableInfo>) -> Self {
        let column = table.and_then(|table| super::id_column(table, &[]).one());
        Self { table, column: column.map(|key| (key.name.as_str(), key.kind)) }
    }

    /// Points for a way to say which token is meant.
    fn token<'a>(&self, tally: &mut Tally, way: &'a Way, picks: &mut Picks<'a>) {
        if let (Some(bound), Some(table)) = (&way.table, self.table)
            && **bound == *table.name
        {
            return tally.add(25, format!("it is bound to {}", table.name));
        }
        let column = self.column;
        match picks.once(&way.inputs, Meaning::Id, None, || id_field(&*way.inputs, column, &[]).one()) {
            Some(id) if is_alike(id, column) => {
                return tally.add(25, format!("it takes the token's id ({})", id.name));
            }
            // Of some other token, perhaps: that is not enough.
            Some(id) => return tally.add(0, format!("it takes an id ({})", id.name)),
            None => {}
        }
        let username = picks.text(&way.inputs, Meaning::Username, None);
        if tally.meant(username, Meaning::Username, 25, "it takes the username").is_none() {
            tally.add(-40, "nothing tells it which token is meant");
        }
    }
}

#[cfg(test)]
#[path = "rank_tests.rs"]
mod tests;
