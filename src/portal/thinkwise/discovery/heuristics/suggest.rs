//! Suggests similar names.

use strsim::{damerau_levenshtein, jaro_winkler};

/// The maximum number of suggestions.
const MAX_SUGGESTIONS: usize = 3;
/// The minimum similarity of a suggestion, up to 1.
const MIN_SIMILARITY: f64 = 0.8;
/// How many names are compared, because a comparison is slow: more names than any application of typical size has.
const MAX_COMPARED: usize = 2_000;

/// The most similar names, best first; empty if none is similar.
pub(in crate::portal::thinkwise) fn suggest<'a>(
    wanted: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Vec<&'a str> {
    let wanted_lower = wanted.to_lowercase();
    let mut found: Vec<(usize, usize, &str)> = names
        .into_iter()
        .take(MAX_COMPARED)
        .filter_map(|name| {
            let name_lower = name.to_lowercase();
            let edits = damerau_levenshtein(&wanted_lower, &name_lower);
            is_similar(&wanted_lower, &name_lower, edits).then(|| (edits, damerau_levenshtein(wanted, name), name))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().take(MAX_SUGGESTIONS).map(|(_, _, name)| name).collect()
}

fn is_similar(wanted: &str, name: &str, edits: usize) -> bool {
    let max_edits = (wanted.chars().count() / 3).max(2);
    // One name is a part of the other, such as `token_id`, but not just any `id`.
    let is_part = wanted.len().min(name.len()) > 3 && (wanted.contains(name) || name.contains(wanted));
    edits <= max_edits || is_part || jaro_winkler(wanted, name) >= MIN_SIMILARITY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_recognized() {
        let names = ["container_token", "customer", "container", "token_container", "invoice", "Container_Token"];
        assert_eq!(suggest("contaner_token", names)[0], "container_token");
        assert_eq!(suggest("container_tokens", names)[0], "container_token");
        assert_eq!(suggest("token_container_id", names)[0], "token_container");
        assert!(suggest("klant_product", names).is_empty());
        assert!(suggest("container_token", names).len() <= 3);
    }

    #[test]
    fn only_the_first_of_very_many_names_are_compared() {
        let many: Vec<String> = (0..MAX_COMPARED).map(|number| format!("{number:x}")).collect();
        let near = |before: usize| {
            let others = many.iter().map(String::as_str).take(before);
            suggest("contaner_token", others.chain(["container_token"]))
        };
        assert_eq!(near(MAX_COMPARED - 1), ["container_token"]);
        assert!(near(MAX_COMPARED).is_empty());
    }
}
