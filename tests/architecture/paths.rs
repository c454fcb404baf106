//! Reads the paths that code names.

/// The names of a path, such as `crate`, `api`, `Reason`.
pub type ImportPath = Vec<String>;

/// The paths in code that start with `crate`, `super` or `self`, those of `use` with groups included.
pub fn paths_in(code: &str) -> Vec<ImportPath> {
    let starts = ["crate::", "super::", "self::"].into_iter().flat_map(|start| code.match_indices(start));
    let starts = starts.map(|(at, _)| at).filter(|at| {
        let before = code[..*at].chars().next_back();
        before.is_none_or(|one| !is_name(one) && one != ':' && one != '$')
    });
    starts.flat_map(|at| tree(&code[at..]).0).collect()
}

/// The paths of a `use` tree, and the text after it.
pub fn tree(text: &str) -> (Vec<ImportPath>, &str) {
    let (mut path, mut rest): (ImportPath, _) = (vec![], text);
    loop {
        rest = rest.trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            return self::group(&path, group);
        }
        let end = rest.find(|one| !is_name(one)).unwrap_or(rest.len());
        if end == 0 {
            return (vec![path], rest);
        }
        path.push(rest[..end].to_owned());
        match rest[end..].strip_prefix("::") {
            Some(next) => rest = next,
            None => return (vec![path], &rest[end..]),
        }
    }
}

fn group<'a>(path: &[String], mut rest: &'a str) -> (Vec<ImportPath>, &'a str) {
    let mut found = vec![];
    loop {
        rest = rest.trim_start();
        if let Some(end) = rest.strip_prefix('}') {
            return (found, end);
        }
        let (paths, end) = tree(rest);
        found.extend(paths.into_iter().map(|tail| path.iter().cloned().chain(tail).collect()));
        // Skips a glob, and `as` with a name.
        let Some(at) = end.find([',', '}']) else { return (found, "") };
        rest = end[at..].strip_prefix(',').unwrap_or(&end[at..]);
    }
}

fn is_name(one: char) -> bool {
    one.is_alphanumeric() || one == '_'
}
