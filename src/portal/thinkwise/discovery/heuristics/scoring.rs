//! Scores candidates for the table and the three tasks, with reasons.

use super::super::metadata::{Catalog, FieldInfo, Invocation, TableInfo, TaskInfo};
use super::field_match::{is_similar_id, match_id_field, match_text};
use super::vocabulary::{Concept, MatchStrength, match_strength};
use crate::portal::thinkwise::odata::value_kind::ValueKind;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// The minimum score of a candidate.
const MIN_SCORE: i32 = 65;
/// The minimum lead over the next candidate.
const MIN_LEAD: i32 = 10;

/// A candidate for the table or a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub name: String,
    /// Its score; only meaningful in comparison.
    pub score: i32,
    /// The reasons for and against it; human-readable.
    pub reasons: Vec<String>,
}

/// The result of a selection.
#[derive(Debug, PartialEq, Eq)]
pub enum Selection<'a> {
    Best(&'a Candidate),
    /// Several candidates without a clear lead.
    Tie(Vec<&'a str>),
    /// No candidate has a sufficient score.
    None,
}

/// Selects the candidate with a sufficient score and a clear lead.
#[must_use]
pub fn select(candidates: &[Candidate]) -> Selection<'_> {
    let Some(best) = candidates.first().filter(|best| best.score >= MIN_SCORE) else { return Selection::None };
    let close = candidates.iter().filter(|one| one.score > best.score - MIN_LEAD);
    let close: Vec<&str> = close.map(|one| one.name.as_str()).collect();
    if close.len() > 1 { Selection::Tie(close) } else { Selection::Best(best) }
}

/// Candidates for the table, best first.
#[must_use]
pub fn rank_tables(catalog: &Catalog) -> Vec<Candidate> {
    let (bound, mut cache) = (token_tasks(catalog), MatchCache::default());
    sort_candidates(
        catalog.tables.iter().map(|table| score_table(table, &bound, &mut cache).into_candidate(&table.name)),
    )
}

/// Candidates for *Request token*, best first.
#[must_use]
pub fn rank_request_tasks(catalog: &Catalog) -> Vec<Candidate> {
    rank_tasks(catalog, score_request)
}

/// Candidates for *Edit token description*, best first.
#[must_use]
pub fn rank_edit_tasks(catalog: &Catalog, table: Option<&TableInfo>) -> Vec<Candidate> {
    let target = TokenTarget::of(table);
    rank_tasks(catalog, |task, invocation, cache| score_edit(task, invocation, &target, cache))
}

/// Candidates for *Revoke token*, best first.
#[must_use]
pub fn rank_revoke_tasks(catalog: &Catalog, table: Option<&TableInfo>) -> Vec<Candidate> {
    let target = TokenTarget::of(table);
    rank_tasks(catalog, |task, invocation, cache| score_revocation(task, invocation, &target, cache))
}

fn rank_tasks<'a>(
    catalog: &'a Catalog,
    score: impl Fn(&TaskInfo, &'a Invocation, &mut MatchCache<'a>) -> Score,
) -> Vec<Candidate> {
    let mut cache = MatchCache::default();
    let best = |task: &'a TaskInfo| {
        let scores = task.invocations.iter().map(|invocation| score(task, invocation, &mut cache));
        scores.max_by_key(|score| score.score).unwrap_or_default().into_candidate(&task.name)
    };
    sort_candidates(catalog.tasks.iter().map(best))
}

fn sort_candidates(candidates: impl Iterator<Item = Candidate>) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = candidates.filter(|one| one.score > 0).collect();
    all.sort_by(|one, other| Reverse(one.score).cmp(&Reverse(other.score)).then_with(|| one.name.cmp(&other.name)));
    all
}

#[derive(Default)]
struct Score {
    score: i32,
    reasons: Vec<String>,
}

impl Score {
    fn add(&mut self, points: i32, reason: impl Into<String>) {
        self.score += points;
        self.reasons.push(reason.into());
    }

    fn into_candidate(self, name: &str) -> Candidate {
        Candidate { name: name.to_owned(), score: self.score, reasons: self.reasons }
    }

    /// Adds points for what a name means.
    fn add_name(&mut self, name: &str, concept: Concept, strong: i32, weak: i32, meaning: &str) {
        match match_strength(name, concept) {
            MatchStrength::Strong => self.add(strong, format!("its name means {meaning}")),
            MatchStrength::Weak => self.add(weak, format!("its name may mean {meaning}")),
            MatchStrength::None => {}
        }
    }

    fn add_subject(&mut self, name: &str) {
        self.add_name(name, Concept::Token, 30, 15, "token");
        self.add_name(name, Concept::Registry, 10, 5, "container registry");
    }

    fn add_field<'a>(
        &mut self,
        found: Option<&'a FieldInfo>,
        concept: Concept,
        points: i32,
        what: &str,
    ) -> Option<&'a FieldInfo> {
        let field = found?;
        // A weak match gets half the points.
        let worth = if match_strength(&field.name, concept) == MatchStrength::Strong { points } else { points / 2 };
        self.add(worth, format!("{what} ({})", field.name));
        Some(field)
    }
}

/// The first task whose name clearly means token, by the table that it is bound to.
fn token_tasks(catalog: &Catalog) -> HashMap<&str, &str> {
    let mut found = HashMap::new();
    for task in catalog.tasks.iter().filter(|task| match_strength(&task.name, Concept::Token) == MatchStrength::Strong)
    {
        for table in task.invocations.iter().filter_map(|invocation| invocation.table.as_deref()) {
            found.entry(table).or_insert(task.name.as_str());
        }
    }
    found
}

/// Fields that many tables or invocations share.
type Fields = Arc<[FieldInfo]>;

/// Selected fields. Fields that many share are searched only once per concept: a small document can declare a hundred
/// thousand fields of one type, and as many tasks that return it.
#[derive(Default)]
struct MatchCache<'a>(HashMap<MatchKey<'a>, Option<&'a FieldInfo>>);

/// The searched fields, the concept, and the name that is already taken.
type MatchKey<'a> = (*const [FieldInfo], Concept, Option<&'a str>);

impl<'a> MatchCache<'a> {
    /// The text that matches the concept, other than the one that is already taken.
    fn text(&mut self, fields: &'a Fields, concept: Concept, taken: Option<&'a FieldInfo>) -> Option<&'a FieldInfo> {
        let taken = taken.map(|field| field.name.as_str());
        self.memoize(fields, concept, taken, || match_text(&**fields, concept, taken.as_slice()).one())
    }

    fn memoize(
        &mut self,
        fields: &'a Fields,
        concept: Concept,
        taken: Option<&'a str>,
        find: impl FnOnce() -> Option<&'a FieldInfo>,
    ) -> Option<&'a FieldInfo> {
        *self.0.entry((Arc::as_ptr(fields), concept, taken)).or_insert_with(find)
    }
}

fn score_table<'a>(table: &'a TableInfo, bound: &HashMap<&str, &str>, cache: &mut MatchCache<'a>) -> Score {
    let mut score = Score::default();
    score.add_name(&table.name, Concept::Token, 35, 20, "token");
    score.add_name(&table.name, Concept::Registry, 10, 5, "container registry");
    let username = cache.text(&table.columns, Concept::Username, None);
    let description = cache.text(&table.columns, Concept::Description, username);
    score.add_field(username, Concept::Username, 20, "it has a username");
    score.add_field(description, Concept::Description, 20, "it has a description");
    if let Some(task) = bound.get(table.name.as_str()) {
        score.add(10, format!("the task {task} is bound to it"));
    }
    if table.key.is_empty() {
        score.add(-20, "it has no key");
    }
    score
}

fn score_request<'a>(task: &TaskInfo, invocation: &'a Invocation, cache: &mut MatchCache<'a>) -> Score {
    let mut score = Score::default();
    score.add_name(&task.name, Concept::Request, 30, 15, "request");
    score.add_subject(&task.name);
    score.add_name(&task.name, Concept::Revoke, -60, -30, "revoke");
    score.add_name(&task.name, Concept::Edit, -60, -30, "edit");
    let secret = cache.text(&invocation.outputs, Concept::Secret, None);
    score.add_field(secret, Concept::Secret, 20, "it returns a secret");
    let username = cache.text(&invocation.outputs, Concept::Username, secret);
    score.add_field(username, Concept::Username, 10, "it returns a username");
    let description = cache.text(&invocation.inputs, Concept::Description, secret);
    if score.add_field(description, Concept::Description, 20, "it takes a description").is_none() {
        score.add(-40, "it takes no description");
    }
    let needs_id = || invocation.inputs.iter().filter(|input| input.required).find(|input| is_token_id(input));
    let needs_id = cache.memoize(&invocation.inputs, Concept::Id, None, needs_id);
    if let Some(input) = needs_id {
        score.add(-30, format!("it needs the id of a token ({})", input.name));
    }
    score
}

fn is_token_id(input: &FieldInfo) -> bool {
    match_strength(&input.name, Concept::Id) != MatchStrength::None
        && match_strength(&input.name, Concept::Token) == MatchStrength::Strong
}

fn score_edit<'a>(
    task: &TaskInfo,
    invocation: &'a Invocation,
    target: &TokenTarget<'_>,
    cache: &mut MatchCache<'a>,
) -> Score {
    let mut score = Score::default();
    score.add_name(&task.name, Concept::Edit, 30, 15, "edit");
    score.add_name(&task.name, Concept::Description, 20, 10, "description");
    score.add_subject(&task.name);
    score.add_name(&task.name, Concept::Revoke, -60, -30, "revoke");
    score.add_name(&task.name, Concept::Request, -60, -15, "request");
    let description = cache.text(&invocation.inputs, Concept::Description, None);
    if score.add_field(description, Concept::Description, 20, "it takes a description").is_none() {
        score.add(-40, "it takes no description");
    }
    target.score_token_input(&mut score, invocation, cache);
    score
}

fn score_revocation<'a>(
    task: &TaskInfo,
    invocation: &'a Invocation,
    target: &TokenTarget<'_>,
    cache: &mut MatchCache<'a>,
) -> Score {
    let mut score = Score::default();
    score.add_name(&task.name, Concept::Revoke, 30, 15, "revoke");
    score.add_subject(&task.name);
    score.add_name(&task.name, Concept::Edit, -60, -15, "edit");
    score.add_name(&task.name, Concept::Request, -60, -15, "request");
    if cache.text(&invocation.inputs, Concept::Description, None).is_some_and(|field| field.required) {
        score.add(-15, "it takes a description");
    }
    target.score_token_input(&mut score, invocation, cache);
    score
}

/// The table of the token that an edit or a revocation is about, and its id column.
struct TokenTarget<'t> {
    table: Option<&'t TableInfo>,
    column: Option<(&'t str, ValueKind)>,
}

impl<'t> TokenTarget<'t> {
    fn of(table: Option<&'t TableInfo>) -> Self {
        let column = table.and_then(|table| super::match_id_column(table, &[]).one());
        Self { table, column: column.map(|key| (key.name.as_str(), key.kind)) }
    }

    /// Adds points for an input that identifies the token.
    fn score_token_input<'a>(&self, score: &mut Score, invocation: &'a Invocation, cache: &mut MatchCache<'a>) {
        if let (Some(bound), Some(table)) = (&invocation.table, self.table)
            && **bound == *table.name
        {
            return score.add(25, format!("it is bound to {}", table.name));
        }
        let column = self.column;
        match cache
            .memoize(&invocation.inputs, Concept::Id, None, || match_id_field(&*invocation.inputs, column, &[]).one())
        {
            Some(id) if is_similar_id(id, column) => {
                return score.add(25, format!("it takes the token's id ({})", id.name));
            }
            // The id may belong to another kind of token: that is not enough.
            Some(id) => return score.add(0, format!("it takes an id ({})", id.name)),
            None => {}
        }
        let username = cache.text(&invocation.inputs, Concept::Username, None);
        if score.add_field(username, Concept::Username, 25, "it takes the username").is_none() {
            score.add(-40, "it has no input that identifies the token");
        }
    }
}

#[cfg(test)]
#[path = "scoring_tests.rs"]
mod tests;
