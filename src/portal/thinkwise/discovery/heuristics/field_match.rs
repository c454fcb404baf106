//! Selects the field that matches a concept.

use super::super::metadata::{FieldInfo, TableInfo};
use super::vocabulary::{Concept, MatchStrength, match_strength, split_words};
use crate::portal::thinkwise::odata::value_kind::ValueKind;

/// The result of a selection.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::portal::thinkwise) enum FieldMatch<'a> {
    /// Exactly one field matches best.
    One(&'a FieldInfo),
    /// No field matches.
    Missing,
    /// Several fields match equally well.
    Ambiguous(Vec<&'a str>),
}

impl<'a> FieldMatch<'a> {
    /// The field, if there is exactly one.
    pub(in crate::portal::thinkwise) fn one(&self) -> Option<&'a FieldInfo> {
        match self {
            Self::One(field) => Some(field),
            _ => None,
        }
    }
}

/// The text among these fields that matches the concept best, with the fewest words.
pub(in crate::portal::thinkwise) fn match_text<'a>(
    fields: impl IntoIterator<Item = &'a FieldInfo>,
    concept: Concept,
    taken: &[&str],
) -> FieldMatch<'a> {
    let fields =
        fields.into_iter().filter(|field| field.kind == ValueKind::Text && !taken.contains(&field.name.as_str()));
    best_match(fields.map(|field| (text_score(&field.name, concept), field)))
}

fn text_score(name: &str, concept: Concept) -> usize {
    let strength = match match_strength(name, concept) {
        MatchStrength::None => return 0,
        MatchStrength::Weak => 20,
        MatchStrength::Strong => 40,
    };
    let trace = if match_strength(name, Concept::Trace) == MatchStrength::None { 0 } else { 15 };
    (strength + 4_usize.saturating_sub(split_words(name).len()) - trace).max(1)
}

/// The column of a key that is the token's id.
pub(in crate::portal::thinkwise) fn match_id_column<'a>(table: &'a TableInfo, fixed: &[&str]) -> FieldMatch<'a> {
    let free: Vec<&FieldInfo> = table.key.iter().filter(|column| !fixed.contains(&column.name.as_str())).collect();
    if let [only] = free[..] {
        return FieldMatch::One(only);
    }
    let table_words = split_words(&table.name);
    best_match(free.into_iter().map(|column| {
        let words = split_words(&column.name);
        let shared = words.iter().filter(|word| table_words.contains(word)).count();
        // `<table>_id` is how Thinkwise names a table's own key column; the others are keys of other tables.
        let exact_name = if column.name == format!("{}_id", table.name) || column.name == "id" { 20 } else { 0 };
        let names_token = if match_strength(&column.name, Concept::Token) == MatchStrength::Strong { 5 } else { 0 };
        (exact_name + names_token + shared, column)
    }))
}

/// The parameter or output that is the token's id.
pub(in crate::portal::thinkwise) fn match_id_field<'a>(
    fields: impl IntoIterator<Item = &'a FieldInfo>,
    column: Option<(&str, ValueKind)>,
    taken: &[&str],
) -> FieldMatch<'a> {
    let free = fields.into_iter().filter(|field| !taken.contains(&field.name.as_str()));
    best_match(free.map(|field| (id_score(field, column), field)))
}

/// How well a field matches a key column: 100 for the same name, at least 50 for a part of it such as `token_id`,
/// less for another id of the same kind.
fn id_score(field: &FieldInfo, column: Option<(&str, ValueKind)>) -> usize {
    let is_key = matches!(field.kind, ValueKind::Integer | ValueKind::Decimal | ValueKind::Guid | ValueKind::Text);
    if !is_key
        || match_strength(&field.name, Concept::Id) == MatchStrength::None
            && column.is_none_or(|(name, _)| name != field.name)
    {
        return 0;
    }
    let words = split_words(&field.name);
    let names_token = if match_strength(&field.name, Concept::Token) == MatchStrength::Strong { 10 } else { 0 };
    let single_word = if words.len() == 1 { 5 } else { 0 };
    match column {
        Some((name, _)) if name == field.name => 100,
        Some((_, kind)) if kind != field.kind => 0,
        Some((name, _)) if words.iter().all(|word| split_words(name).contains(word)) => 50 + names_token + single_word,
        _ => 10 + names_token + single_word,
    }
}

/// The output of a request that is the token's id: it has the type of the table's key column, and the column's name,
/// or a part of it that contains token and id, or only `id`. Any other id in the response is the id of something
/// else, such as the customer.
pub(in crate::portal::thinkwise) fn match_id_output<'a>(
    fields: impl IntoIterator<Item = &'a FieldInfo>,
    column: Option<(&str, ValueKind)>,
    taken: &[&str],
) -> FieldMatch<'a> {
    let free = fields.into_iter().filter(|field| !taken.contains(&field.name.as_str()));
    best_match(free.map(|field| (output_score(field, column), field)))
}

fn output_score(field: &FieldInfo, column: Option<(&str, ValueKind)>) -> usize {
    let is_key = matches!(field.kind, ValueKind::Integer | ValueKind::Decimal | ValueKind::Guid | ValueKind::Text);
    if !is_key || column.is_some_and(|(_, kind)| kind != field.kind) {
        return 0;
    }
    if column.is_some_and(|(name, _)| name == field.name) {
        return 100;
    }
    let words = split_words(&field.name);
    let is_plain = matches!(words.as_slice(), [only] if ["id", "guid", "uuid"].contains(&only.as_str()));
    let names_token_id = match_strength(&field.name, Concept::Token) != MatchStrength::None
        && match_strength(&field.name, Concept::Id) != MatchStrength::None;
    let is_part = column.is_none_or(|(name, _)| words.iter().all(|word| split_words(name).contains(word)));
    match (is_part, names_token_id, is_plain) {
        (true, true, _) => 60,
        (true, false, true) => 50,
        _ => 0,
    }
}

/// Whether a parameter is a confirmation flag.
pub(in crate::portal::thinkwise) fn is_confirmation(field: &FieldInfo) -> bool {
    field.kind == ValueKind::Boolean && match_strength(&field.name, Concept::Confirm) != MatchStrength::None
}

/// Whether a field that was selected as an id has the column's name, or a part of it.
pub(crate) fn is_similar_id(field: &FieldInfo, column: Option<(&str, ValueKind)>) -> bool {
    column.is_none() || id_score(field, column) >= 50
}

fn best_match<'a>(scored: impl Iterator<Item = (usize, &'a FieldInfo)>) -> FieldMatch<'a> {
    let mut found: Vec<(usize, &FieldInfo)> = scored.filter(|(score, _)| *score > 0).collect();
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    match &found[..] {
        [] => FieldMatch::Missing,
        [(best, _), (next, _), ..] if best == next => {
            let alike = found.iter().filter(|(score, _)| score == best);
            FieldMatch::Ambiguous(alike.map(|(_, field)| field.name.as_str()).collect())
        }
        [(_, field), ..] => FieldMatch::One(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(names: &[&str]) -> Vec<FieldInfo> {
        let text = |name: &&str| FieldInfo {
            name: (*name).to_owned(),
            kind: ValueKind::Text,
            required: false,
            max_length: None,
        };
        names.iter().map(text).collect()
    }

    fn matched(names: &[&str], concept: Concept) -> Option<String> {
        match_text(&fields(names), concept, &[]).one().map(|field| field.name.clone())
    }

    #[test]
    fn the_best_matching_name_is_selected_and_not_a_trace_column() {
        let columns = ["insert_user", "update_user", "username", "name", "description"];
        assert_eq!(matched(&columns, Concept::Username).as_deref(), Some("username"));
        assert_eq!(matched(&columns, Concept::Description).as_deref(), Some("description"));
        assert_eq!(matched(&["name", "insert_user"], Concept::Username).as_deref(), Some("name"));
        assert_eq!(matched(&["update_username", "user_name"], Concept::Username).as_deref(), Some("user_name"));
        assert_eq!(matched(&["colour"], Concept::Username), None);
    }

    #[test]
    fn two_equal_matches_are_ambiguous() {
        let both = fields(&["short_description", "long_description"]);
        assert_eq!(
            match_text(&both, Concept::Description, &[]),
            FieldMatch::Ambiguous(vec!["short_description", "long_description"])
        );
        assert_eq!(
            match_text(&both, Concept::Description, &["long_description"]).one().expect("one").name,
            "short_description"
        );
    }

    #[test]
    fn the_key_column_of_the_table_itself_is_the_id() {
        let column =
            |name: &str| FieldInfo { name: name.into(), kind: ValueKind::Integer, required: true, max_length: None };
        let table = |name: &str, key: &[&str]| {
            let key: Vec<FieldInfo> = key.iter().map(|name| column(name)).collect();
            TableInfo { name: name.into(), columns: key.clone().into(), key: key.into() }
        };
        let named =
            |table: &TableInfo, fixed: &[&str]| match_id_column(table, fixed).one().map(|field| field.name.clone());
        assert_eq!(named(&table("x", &["volgnummer"]), &[]).as_deref(), Some("volgnummer"));
        assert_eq!(
            named(&table("klant_token", &["klant_id", "klant_token_id"]), &[]).as_deref(),
            Some("klant_token_id")
        );
        assert_eq!(named(&table("x", &["a", "b"]), &[]), None);
        assert_eq!(named(&table("x", &["a", "b"]), &["a"]).as_deref(), Some("b"));
    }

    #[test]
    fn an_output_is_the_id_only_if_name_and_type_match_the_key_column() {
        use ValueKind::{Decimal, Guid, Integer, Text};
        let field = |name: &str, kind| FieldInfo { name: name.into(), kind, required: false, max_length: None };
        let picked = |names: &[(&str, ValueKind)], column| {
            let fields: Vec<FieldInfo> = names.iter().map(|(name, kind)| field(name, *kind)).collect();
            match_id_output(&fields, column, &["secret"]).one().map(|field| field.name.clone())
        };
        let column = Some(("container_token_id", Integer));
        for (outputs, column, expected) in [
            (&[("klant_id", Integer)][..], column, None),
            (&[("klant_id", Integer), ("container_token_id", Integer)], column, Some("container_token_id")),
            (&[("container_token_id", Text)], column, None),
            (&[("container_token_id", Decimal)], column, None),
            (&[("token_id", Integer), ("id", Integer)], column, Some("token_id")),
            (&[("id", Integer), ("klant_id", Integer)], column, Some("id")),
            (&[("container_id", Integer)], column, None),
            (&[("other_token_id", Integer)], column, None),
            (&[("klant_id", Integer)], Some(("klant_token_id", Integer)), None),
            (&[("token_nr", Integer)], Some(("token_nr", Integer)), Some("token_nr")),
            (&[("id", Guid)], Some(("volgnummer", Guid)), None),
            (&[("volgnummer", Integer)], Some(("volgnummer", Integer)), Some("volgnummer")),
            (&[("klant_id", Integer), ("rows", Integer)], None, None),
            (&[("klant_id", Integer), ("token_id", Integer)], None, Some("token_id")),
        ] {
            assert_eq!(picked(outputs, column).as_deref(), expected, "{outputs:?} {column:?}");
        }
    }

    #[test]
    fn an_id_parameter_has_the_columns_name_or_contains_id_and_is_of_its_kind() {
        let field = |name: &str, kind| FieldInfo { name: name.into(), kind, required: true, max_length: None };
        let inputs = [
            field("description", ValueKind::Text),
            field("klant_id", ValueKind::Integer),
            field("token_id", ValueKind::Integer),
        ];
        let named = |column| match_id_field(&inputs, column, &[]).one().map(|field| field.name.as_str());
        assert_eq!(named(Some(("klant_id", ValueKind::Integer))), Some("klant_id"));
        assert_eq!(named(Some(("container_token_id", ValueKind::Integer))), Some("token_id"));
        assert_eq!(named(Some(("container_token_id", ValueKind::Guid))), None);
        assert_eq!(named(None), Some("token_id"));
    }
}
