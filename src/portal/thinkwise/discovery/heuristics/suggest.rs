//! Names that may have been meant.

use strsim::{damerau_levenshtein, jaro_winkler};

/// How many are named.
const MAX_SUGGESTIONS: usize = 3;
/// From this likeness on (of 1) a name is worth naming.
const MIN_SIMILARITY: f64 = 0.8;
/// How many names are compared, for a comparison takes long: more than any application of some size has.
const MAX_COMPARED: usize = 2_000;

/// The names that are nearest to this one, best first; empty where none is like it.
pub(in crate::portal::thinkwise) fn suggest<'a>(
    wanted: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Vec<&'a str> {
    let small = wanted.to_lowercase();
    let mut found: Vec<(usize, usize, &str)> = names
        .into_iter()
        .take(MAX_COMPARED)
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let edits = damerau_levenshtein(&small, &lower);
            is_similar(&small, &lower, edits).then(|| (edits, damerau_levenshtein(wanted, name), name))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().take(MAX_SUGGESTIONS).map(|(_, _, name)| name).collect()
}

fn is_similar(wanted: &str, name: &str, edits: usize) -> bool {
    let few = (wanted.chars().count() / 3).max(2);
    // A part of it, such as `token_id`, but not just any `id`.
    let part = wanted.len().min(name.len()) > 3 && (wanted.contains(name) || name.contains(wanted));
    edits <= few || part || jaro_winkler(wanted, name) >= MIN_SIMILARITY
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
    fn of_very_many_names_only_the_first_are_compared() {
        let many: Vec<String> = (0..MAX_COMPARED).map(|number| format!("{number:x}")).collect();
        let near = |before: usize| {
            let others = many.iter().map(String::as_str).take(before);
            suggest("contaner_token", others.chain(["container_token"]))
        };
        assert_eq!(near(MAX_COMPARED - 1), ["container_token"]);
        assert!(near(MAX_COMPARED).is_empty());
    }
}
