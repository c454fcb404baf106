//! What `deny.toml` bans is not in `Cargo.lock`, which has every crate of the build and of the tests. cargo-deny checks the same,
//! and licenses and advisories as well; this test runs without it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Providers of TLS and cryptography other than ring. `deny.toml` may ban more, but not less.
const OTHER_PROVIDERS: &[&str] = &[
    "aws-lc-fips-sys",
    "aws-lc-rs",
    "aws-lc-sys",
    "boring",
    "boring-sys",
    "native-tls",
    "openssl",
    "openssl-sys",
    "rustls-openssl",
    "s2n-tls",
];

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("text")
}

/// The value of `key = "value"`.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')
}

/// A locked crate.
#[derive(Debug, PartialEq)]
struct Package {
    name: String,
    version: String,
    /// Absent for the crate of this repository.
    source: Option<String>,
}

fn packages(lock: &str) -> Vec<Package> {
    let of = |block: &str, key: &str| block.lines().find_map(|line| value(line, key)).map(str::to_owned);
    let blocks = lock.split("[[package]]\n").skip(1);
    let read = |block: &str| Package {
        name: of(block, "name").expect("a name"),
        version: of(block, "version").expect("a version"),
        source: of(block, "source"),
    };
    blocks.map(read).collect()
}

/// The crates that a `deny.toml` bans.
fn bans(config: &str) -> BTreeSet<String> {
    let bans = config.split("\n[bans]\n").nth(1).and_then(|rest| rest.split("\n[").next()).expect("[bans]");
    let lines = bans.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split('"').next());
    lines.map(str::to_owned).collect()
}

#[test]
fn no_banned_crate_is_locked() {
    let banned = bans(&read("deny.toml"));
    let missing: Vec<&&str> = OTHER_PROVIDERS.iter().filter(|name| !banned.contains(**name)).collect();
    assert!(missing.is_empty(), "deny.toml must ban {missing:?}");
    let locked = packages(&read("Cargo.lock"));
    let wrong: Vec<&Package> = locked.iter().filter(|one| banned.contains(&one.name)).collect();
    assert!(locked.len() > 300 && wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn tls_is_one_rustls_with_one_ring() {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in packages(&read("Cargo.lock")) {
        versions.entry(one.name).or_default().push(one.version);
    }
    for name in ["ring", "rustls"] {
        assert_eq!(versions.get(name).map(Vec::len), Some(1), "{name}: {:?}", versions.get(name));
    }
}

#[test]
fn every_crate_comes_from_crates_io() {
    let locked = packages(&read("Cargo.lock"));
    let wrong: Vec<&Package> =
        locked.iter().filter(|one| one.source.as_deref().is_some_and(|source| source != CRATES_IO)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let own: Vec<&str> = locked.iter().filter(|one| one.source.is_none()).map(|one| one.name.as_str()).collect();
    assert_eq!(own, ["registry-token-operator"], "the only crate without a source");
}

#[test]
fn bans_and_packages_are_read() {
    let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"git+https://a\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\ndependencies = [\n \"a\",\n]\n";
    let a = Package { name: "a".to_owned(), version: "1.0.0".to_owned(), source: Some("git+https://a".to_owned()) };
    let b = Package { name: "b".to_owned(), version: "2.0.0".to_owned(), source: None };
    assert_eq!(packages(lock), [a, b]);
    let config = "[graph]\n\n[bans]\nwildcards = \"deny\"\ndeny = [\n    { crate = \"x\" },\n    { crate = \"y\", reason = \"z\" },\n]\n\n[sources]\n";
    assert_eq!(bans(config).into_iter().collect::<Vec<_>>(), ["x", "y"]);
}
