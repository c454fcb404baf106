//! The rules of the CRDs, each accepted and refused; here those of a `RegistryToken`.

use serde_json::{Value, json};

/// What is tried.
pub enum Change {
    /// A new object, with this merged into a good one.
    Create(Value),
    /// A merge patch of the good object that is there.
    Update(Value),
}

/// One try.
pub struct Case {
    pub what: &'static str,
    pub change: Change,
    /// Words of the message; nothing where it is accepted.
    pub refusal: Option<&'static str>,
}

pub fn accepted(what: &'static str, change: Value) -> Case {
    Case { what, change: Change::Create(change), refusal: None }
}

pub fn refused(what: &'static str, change: Value, words: &'static str) -> Case {
    Case { what, change: Change::Create(change), refusal: Some(words) }
}

fn update(what: &'static str, change: Value, refusal: Option<&'static str>) -> Case {
    Case { what, change: Change::Update(change), refusal }
}

pub fn spec(change: Value) -> Value {
    json!({"metadata": {"name": "tried"}, "spec": change})
}

/// Of a `RegistryToken`.
pub fn tokens() -> Vec<Case> {
    let described = |text: &str| spec(json!({"description": text}));
    let secret = |change: Value| spec(json!({"secret": change}));
    vec![
        accepted("a description of 200 characters", described(&"é".repeat(200))),
        refused("a description of 201", described(&"é".repeat(201)), "Too long"),
        refused("an empty description", described(""), "at least 1"),
        refused("white space at the end", described("prod "), "must not begin or end with white space"),
        refused("two lines", described("a\nb"), "must be one line without control characters"),
        refused("a tab", described("a\tb"), "must be one line without control characters"),
        refused("a C1 control", described("a\u{85}b"), "must be one line without control characters"),
        refused("the last C1 control", described("a\u{9f}b"), "must be one line without control characters"),
        refused("a delete", described("a\u{7f}b"), "must be one line without control characters"),
        refused("a line separator", described("a\u{2028}b"), "must be one line without control characters"),
        refused("a right-to-left override", described("a\u{202e}b"), "must not hold invisible characters"),
        refused("an isolate", described("a\u{2066}b"), "must not hold invisible characters"),
        refused("an Arabic letter mark", described("a\u{61c}b"), "must not hold invisible characters"),
        refused("a zero-width space", described("a\u{200b}b"), "must not hold invisible characters"),
        refused("a zero-width joiner", described("a\u{200d}b"), "must not hold invisible characters"),
        refused("a word joiner", described("a\u{2060}b"), "must not hold invisible characters"),
        refused("a byte-order mark", described("a\u{feff}b"), "must not hold invisible characters"),
        refused("a soft hyphen", described("a\u{ad}b"), "must not hold invisible characters"),
        refused("a Hangul filler", described("a\u{3164}b"), "must not hold invisible characters"),
        refused("a tag character", described("a\u{e0041}b"), "must not hold invisible characters"),
        accepted("letters of any script", described("Zürich, 東京, القاهرة, e\u{301}")),
        accepted("brackets that are no marker", described("[A/B] prod [a b/c] [/] [x]")),
        refused("a marker at the end", described("prod [abc/def2]"), "must not hold [x/y]"),
        refused("a marker in the middle", described("prod [abcdefgh/abcdefghijkl] x"), "must not hold [x/y]"),
        refused("a marker at the start", described("[a/b] prod"), "must not hold [x/y]"),
        accepted("a namespaced issuer", spec(json!({"issuerRef": {"kind": "TokenIssuer", "name": "mine"}}))),
        refused("another kind of issuer", spec(json!({"issuerRef": {"kind": "Issuer"}})), "Unsupported value"),
        update(
            "another issuer",
            json!({"spec": {"issuerRef": {"name": "other"}}}),
            Some("issuerRef cannot be changed"),
        ),
        update("the issuer taken away is the default again", json!({"spec": {"issuerRef": null}}), None),
        update("another description", json!({"spec": {"description": "other"}}), None),
        update(
            "another secret name",
            json!({"spec": {"secret": {"name": "other"}}}),
            Some("secret.name cannot be changed"),
        ),
        update("the same name in words", json!({"spec": {"secret": {"name": "good"}}}), None),
        accepted("labels and annotations", secret(json!({"labels": {"a": "b"}, "annotations": {"c/d": "e"}}))),
        refused(
            "our label",
            secret(json!({"labels": {"registry-token.dev/owner": "x"}})),
            "labels must not use the prefix",
        ),
        refused(
            "our annotation",
            secret(json!({"annotations": {"registry-token.dev/reservation": "x"}})),
            "annotations must not use the prefix",
        ),
        accepted("a rotation", spec(json!({"rotation": {"interval": "720h"}}))),
        refused("a rotation every minute", spec(json!({"rotation": {"interval": "1m"}})), "interval must be between"),
        refused(
            "a rotation in two years",
            spec(json!({"rotation": {"interval": "17520h"}})),
            "interval must be between",
        ),
        refused(
            "an overlap as long as the interval",
            spec(json!({"rotation": {"interval": "1h", "overlap": "60m"}})),
            "overlap must be shorter than interval",
        ),
        accepted("a rotation in hours, minutes and seconds", spec(json!({"rotation": {"interval": "2h30m10s"}}))),
        refused(
            "a rotation with its units turned round",
            spec(json!({"rotation": {"interval": "30m2h"}})),
            "should match",
        ),
        refused("a unit twice", spec(json!({"rotation": {"interval": "1h1h"}})), "should match"),
        refused(
            "an overlap in milliseconds",
            spec(json!({"rotation": {"interval": "1h", "overlap": "1ms"}})),
            "should match",
        ),
        refused("no length of time", spec(json!({"rotation": {"interval": ""}})), "at least 1"),
        accepted("the other policies", spec(json!({"upstreamRevocationPolicy": "Hold", "deletionPolicy": "Orphan"}))),
        refused("an unknown policy", spec(json!({"deletionPolicy": "Retain"})), "Unsupported value"),
        refused("a name that no Secret can have", secret(json!({"name": "Not_A_Name"})), NAME),
        refused("a path for a Secret's name", secret(json!({"name": "../../x"})), NAME),
        refused("no name of an issuer", spec(json!({"issuerRef": {"name": "?"}})), NAME),
        refused("a path for an issuer's name", spec(json!({"issuerRef": {"name": "../x"}})), NAME),
        accepted("an issuer with dots", spec(json!({"issuerRef": {"name": "a.b-c.0"}}))),
    ]
    .into_iter()
    .chain(secret_metadata())
    .collect()
}

/// Part of the message about a name of an object.
pub const NAME: &str = "the name of a Kubernetes object has";
/// Part of the message about a key of a Secret or ConfigMap.
pub const KEY: &str = "a key has letters, digits";

/// Labels and annotations of a Secret: whatever the API server would refuse there is refused here.
fn secret_metadata() -> Vec<Case> {
    let labels = |labels: Value| spec(json!({"secret": {"labels": labels}}));
    let annotations = |annotations: Value| spec(json!({"secret": {"annotations": annotations}}));
    let many = |count: usize| -> Value { (0..count).map(|one| (format!("key-{one}"), json!("x"))).collect() };
    let (long, prefix) = ("a".repeat(63), format!("{0}.{0}.{0}.{1}", "b".repeat(63), "c".repeat(61)));
    let key = |key: &str| json!({ key: "x" });
    vec![
        accepted("16 labels", labels(many(16))),
        refused("17 labels", labels(many(17)), "at most 16"),
        accepted("an empty label", labels(json!({"a": ""}))),
        accepted("a label of 63", labels(json!({"a": long}))),
        refused("a label of 64", labels(json!({"a": "a".repeat(64)})), "Too long"),
        refused("a blank in a label", labels(json!({"a": "not valid"})), "a label's value has at most"),
        refused("a label with a slash", labels(json!({"a": "b/c"})), "a label's value has at most"),
        refused("a label that ends in a dash", labels(json!({"a": "b-"})), "a label's value has at most"),
        refused("a label of two lines", labels(json!({"a": "b\n"})), "a label's value has at most"),
        refused("a letter outside of ASCII", labels(json!({"a": "é"})), "a label's value has at most"),
        accepted("the longest key", labels(key(&format!("{prefix}/{long}")))),
        refused("a longer prefix", labels(key(&format!("{prefix}d/{long}"))), "a label's key is a name"),
        refused("a longer name", labels(key(&format!("a/{long}b"))), "a label's key is a name"),
        refused("an empty key", labels(key("")), "a label's key is a name"),
        refused("a blank in a key", labels(key("a b")), "a label's key is a name"),
        refused("two slashes", labels(key("a/b/c")), "a label's key is a name"),
        refused("no name after the slash", labels(key("a/")), "a label's key is a name"),
        refused("no prefix before the slash", labels(key("/a")), "a label's key is a name"),
        refused("a prefix in upper case", labels(key("A.b/c")), "a label's key is a name"),
        accepted("an annotation's prefix in upper case", annotations(key("A.b/c"))),
        refused("a blank in an annotation's key", annotations(key("a b")), "an annotation's key is a name"),
        refused("an annotation's key with two slashes", annotations(key("a/b/c")), "an annotation's key is a name"),
        refused("an annotation's key of 64", annotations(key(&format!("{long}a"))), "an annotation's key is a name"),
        accepted("16 annotations", annotations(many(16))),
        refused("17 annotations", annotations(many(17)), "at most 16"),
        accepted("annotations of 4 KiB", annotations(json!({"a": "x".repeat(4000), "b": "y".repeat(94)}))),
        refused(
            "more than 4 KiB",
            annotations(json!({"a": "x".repeat(4000), "b": "y".repeat(95)})),
            "4096 bytes in total",
        ),
        refused("4 KiB of letters with two bytes", annotations(json!({"a": "é".repeat(2048)})), "4096 bytes in total"),
    ]
}
