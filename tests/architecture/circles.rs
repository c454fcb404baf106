//! Circles of imports between the modules of one folder.

use super::paths::{ImportPath, paths_in, tree};
use std::collections::{BTreeMap, BTreeSet};

/// The library: the code of each module, by its path.
pub struct Modules {
    code: BTreeMap<ImportPath, String>,
    /// What a module re-exports: its own path and the name, and the path where the item is defined.
    reexports: BTreeMap<ImportPath, ImportPath>,
}

impl Modules {
    pub fn new(code: BTreeMap<ImportPath, String>) -> Self {
        let mut modules = Self { code, reexports: BTreeMap::new() };
        let mut reexports = BTreeMap::new();
        for (module, code) in &modules.code {
            for (at, _) in code.match_indices("use ") {
                let line = code[..at].rsplit('\n').next().unwrap_or_default().trim();
                if !line.starts_with("pub") {
                    continue;
                }
                for path in tree(&code[at + "use ".len()..]).0 {
                    let name = path.last().cloned().unwrap_or_default();
                    let origin = absolute(module, &path).unwrap_or_else(|| joined(module, &path));
                    reexports.insert(joined(module, &[name]), origin);
                }
            }
        }
        modules.reexports = reexports;
        modules
    }

    /// The folders in which modules import each other in a circle, and these modules.
    pub fn circles(&self) -> BTreeMap<String, Vec<String>> {
        let mut folders: BTreeMap<String, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
        for (module, code) in &self.code {
            for path in paths_in(code) {
                let Some(imported) = absolute(module, &path).and_then(|path| self.module_of(&path, 0)) else {
                    continue;
                };
                let common = module.iter().zip(imported).take_while(|(one, other)| one == other).count();
                if let (Some(from), Some(to)) = (module.get(common), imported.get(common)) {
                    let folder = folders.entry(module[..common].join("::")).or_default();
                    folder.entry(from).or_default().insert(to);
                }
            }
        }
        let circles = folders.into_iter().map(|(folder, imports)| {
            let in_circle = imports.keys().filter(|module| reaches(&imports, module, module));
            (folder, in_circle.map(|module| (*module).to_owned()).collect::<Vec<_>>())
        });
        circles.filter(|(_, modules)| !modules.is_empty()).collect()
    }

    /// The module that defines the item of this path.
    fn module_of(&self, path: &[String], depth: usize) -> Option<&ImportPath> {
        let length = (1..=path.len()).rev().find(|length| self.code.contains_key(&path[..*length]))?;
        let reexported = path.get(..=length).and_then(|item| self.reexports.get(item)).filter(|_| depth < 8);
        if let Some(origin) = reexported.filter(|origin| path != origin.as_slice()) {
            return self.module_of(origin, depth + 1);
        }
        self.code.get_key_value(&path[..length]).map(|(module, _)| module)
    }
}

/// A path from the root of the library. `None` for a path that does not start with `crate`, `super` or `self`.
fn absolute(module: &[String], path: &[String]) -> Option<ImportPath> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some(joined(module, rest)),
        "super" => {
            let levels = path.iter().take_while(|name| *name == "super").count();
            Some(joined(module.get(..module.len().checked_sub(levels)?)?, &path[levels..]))
        }
        _ => None,
    }
}

fn joined(module: &[String], rest: &[String]) -> ImportPath {
    module.iter().chain(rest).cloned().collect()
}

/// Whether a module imports another one, directly or not.
fn reaches(imports: &BTreeMap<&str, BTreeSet<&str>>, from: &str, to: &str) -> bool {
    let (mut pending, mut seen) = (vec![from], BTreeSet::new());
    while let Some(module) = pending.pop() {
        for next in imports.get(module).into_iter().flatten() {
            if *next == to {
                return true;
            }
            if seen.insert(*next) {
                pending.push(next);
            }
        }
    }
    false
}

#[test]
fn a_circle_is_found_through_groups_and_reexports() {
    let code = |modules: &[(&str, &str)]| {
        let path = |name: &str| name.split("::").map(str::to_owned).collect();
        modules.iter().map(|(name, code)| (path(name), (*code).to_owned())).collect()
    };
    let one_way = code(&[
        ("a", "mod b;\nmod c;\npub use b::Item;\n"),
        ("a::b", "use std::fmt;\n"),
        ("a::c", "use super::{Item, b::{self, Other as Another}};\nuse crate::d::x;\n"),
        ("d", "fn f() { self::g() }\n"),
    ]);
    assert_eq!(Modules::new(one_way).circles(), BTreeMap::new());
    let circle = code(&[
        ("a", "mod b;\nmod c;\npub(crate) use self::b::Item;\n"),
        ("a::b", "fn f() { super::c::g() }\n"),
        ("a::c", "use crate::{a::Item, d};\n"),
        ("d", "use crate::a::c::g;\n"),
    ]);
    let expected = [("", vec!["a", "d"]), ("a", vec!["b", "c"])];
    let expected =
        expected.map(|(folder, modules)| (folder.to_owned(), modules.into_iter().map(str::to_owned).collect()));
    assert_eq!(Modules::new(circle).circles(), BTreeMap::from(expected));
}
