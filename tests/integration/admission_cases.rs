//! Cases for the validation rules of the `RegistryToken` CRD: each rule accepts and rejects.

use serde_json::{Value, json};

/// The request that is sent.
pub enum Change {
    /// Creates a new object: the valid one with this merged into it.
    Create(Value),
    /// Merge-patches the existing valid object.
    Update(Value),
}

pub struct Case {
    pub what: &'static str,
    pub change: Change,
    /// Part of the expected message; `None` if the request is accepted.
    pub rejection: Option<&'static str>,
}

pub fn accepted(what: &'static str, change: Value) -> Case {
    Case { what, change: Change::Create(change), rejection: None }
}

pub fn rejected(what: &'static str, change: Value, words: &'static str) -> Case {
    Case { what, change: Change::Create(change), rejection: Some(words) }
}

fn update(what: &'static str, change: Value, rejection: Option<&'static str>) -> Case {
    Case { what, change: Change::Update(change), rejection }
}

pub fn spec(change: Value) -> Value {
    json!({"metadata": {"name": "tried"}, "spec": change})
}

fn accounts(count: usize) -> Value {
    (0..count).map(|number| json!({"name": format!("account-{number}")})).collect()
}

/// Cases of a `RegistryToken`.
pub fn tokens() -> Vec<Case> {
    let described = |text: &str| spec(json!({"description": text}));
    let secret = |change: Value| spec(json!({"secret": change}));
    let window = |schedule: &str, duration: &str, zone: &str| {
        let window = json!({"schedule": schedule, "duration": duration, "timeZone": zone});
        spec(json!({"rotation": {"interval": "720h", "windows": [window]}}))
    };
    let argocd = |change: Value| spec(json!({"secret": {"argocdRepository": change}}));
    vec![
        accepted("a description of 200 characters", described(&"é".repeat(200))),
        rejected("a description of 201", described(&"é".repeat(201)), "Too long"),
        rejected("an empty description", described(""), "at least 1"),
        rejected("trailing white space", described("prod "), "must not begin or end with white space"),
        rejected("two lines", described("a\nb"), "must be one line without control characters"),
        rejected("a tab", described("a\tb"), "must be one line without control characters"),
        rejected("a C1 control", described("a\u{85}b"), "must be one line without control characters"),
        rejected("the last C1 control", described("a\u{9f}b"), "must be one line without control characters"),
        rejected("a delete", described("a\u{7f}b"), "must be one line without control characters"),
        rejected("a line separator", described("a\u{2028}b"), "must be one line without control characters"),
        rejected("a right-to-left override", described("a\u{202e}b"), "must not contain invisible characters"),
        rejected("an isolate", described("a\u{2066}b"), "must not contain invisible characters"),
        rejected("an Arabic letter mark", described("a\u{61c}b"), "must not contain invisible characters"),
        rejected("a zero-width space", described("a\u{200b}b"), "must not contain invisible characters"),
        rejected("a zero-width joiner", described("a\u{200d}b"), "must not contain invisible characters"),
        rejected("a word joiner", described("a\u{2060}b"), "must not contain invisible characters"),
        rejected("a byte-order mark", described("a\u{feff}b"), "must not contain invisible characters"),
        rejected("a soft hyphen", described("a\u{ad}b"), "must not contain invisible characters"),
        rejected("a Hangul filler", described("a\u{3164}b"), "must not contain invisible characters"),
        rejected("a tag character", described("a\u{e0041}b"), "must not contain invisible characters"),
        accepted("letters of any script", described("Zürich, 東京, القاهرة, e\u{301}")),
        accepted("brackets that are no marker", described("[A/B] prod [a b/c] [/] [x]")),
        rejected("a marker at the end", described("prod [abc/def2]"), "must not contain [x/y]"),
        rejected("a marker in the middle", described("prod [abcdefgh/abcdefghijkl] x"), "must not contain [x/y]"),
        rejected("a marker at the start", described("[a/b] prod"), "must not contain [x/y]"),
        accepted("a namespaced issuer", spec(json!({"issuerRef": {"kind": "TokenIssuer", "name": "mine"}}))),
        rejected("another kind of issuer", spec(json!({"issuerRef": {"kind": "Issuer"}})), "Unsupported value"),
        update(
            "another issuer",
            json!({"spec": {"issuerRef": {"name": "other"}}}),
            Some("issuerRef cannot be changed"),
        ),
        update("removing the issuer restores the default", json!({"spec": {"issuerRef": null}}), None),
        update("another description", json!({"spec": {"description": "other"}}), None),
        update(
            "another secret name",
            json!({"spec": {"secret": {"name": "other"}}}),
            Some("secret.name cannot be changed"),
        ),
        update("a scope", json!({"spec": {"scope": {"projects": ["a"]}}}), Some("scope cannot be changed")),
        accepted("some projects", spec(json!({"scope": {"projects": ["a", "team-a.b", "$(NAMESPACE)"]}}))),
        rejected("no projects", spec(json!({"scope": {"projects": []}})), "spec.scope.projects"),
        rejected("a scope without projects", spec(json!({"scope": {}})), "spec.scope.projects"),
        rejected("all projects", spec(json!({"scope": {"projects": ["*"]}})), "spec.scope.projects"),
        rejected("a project twice", spec(json!({"scope": {"projects": ["a", "a"]}})), "Duplicate value"),
        update("the same name in words", json!({"spec": {"secret": {"name": "good"}}}), None),
        accepted("labels and annotations", secret(json!({"labels": {"a": "b"}, "annotations": {"c/d": "e"}}))),
        rejected(
            "our label",
            secret(json!({"labels": {"registry-token.dev/owner": "x"}})),
            "labels must not use the prefix",
        ),
        rejected(
            "a label of Argo CD",
            secret(json!({"labels": {"argocd.argoproj.io/secret-type": "cluster"}})),
            "set argocdRepository instead",
        ),
        rejected(
            "our annotation",
            secret(json!({"annotations": {"registry-token.dev/reservation": "x"}})),
            "annotations must not use the prefix",
        ),
        accepted("a Secret for Argo CD", argocd(json!({"url": "r.example:5000/charts", "project": "web"}))),
        accepted("a template for Argo CD", argocd(json!({"url": "r.example/", "type": "RepoCreds", "name": "charts"}))),
        rejected("no url for Argo CD", argocd(json!({})), "Required value"),
        rejected(
            "a url with a scheme",
            argocd(json!({"url": "oci://r.example/charts"})),
            "write the url without oci://",
        ),
        rejected("a url with upper case", argocd(json!({"url": "R.example/charts"})), "in lower case"),
        rejected("a url with a login", argocd(json!({"url": "u@r.example/charts"})), "a url is host[:port][/path]"),
        rejected("a repository with a slash", argocd(json!({"url": "r.example/charts/"})), "does not end with a slash"),
        rejected(
            "a template without a path",
            argocd(json!({"url": "r.example", "type": "RepoCreds"})),
            "has a path, or ends with a slash",
        ),
        rejected(
            "a template with a project",
            argocd(json!({"url": "r.example/charts", "type": "RepoCreds", "project": "web"})),
            "project belongs to the type Repository",
        ),
        rejected(
            "another type for Argo CD",
            argocd(json!({"url": "r.example/charts", "type": "Cluster"})),
            "Unsupported value",
        ),
        rejected(
            "the pull secret itself for Argo CD",
            argocd(json!({"url": "r.example/charts", "name": "tried"})),
            "must differ from the name of the pull secret",
        ),
        rejected(
            "the pull secret by its name for Argo CD",
            secret(json!({"name": "a", "argocdRepository": {"url": "r.example/charts", "name": "a"}})),
            "must differ from the name of the pull secret",
        ),
        rejected(
            "a name without room for the suffix",
            secret(json!({"name": "a".repeat(247), "argocdRepository": {"url": "r.example/charts"}})),
            "too long for the suffix -argocd",
        ),
        accepted(
            "a long name with another one for Argo CD",
            secret(json!({"name": "a".repeat(247), "argocdRepository": {"url": "r.example/charts", "name": "a"}})),
        ),
        update(
            "another name for Argo CD",
            json!({"spec": {"secret": {"argocdRepository": {"name": "charts"}}}}),
            Some("argocdRepository.name cannot be changed"),
        ),
        update(
            "another url for Argo CD",
            json!({"spec": {"secret": {"argocdRepository": {"url": "r.example/other"}}}}),
            None,
        ),
        update("no Secret for Argo CD", json!({"spec": {"secret": {"argocdRepository": null}}}), None),
        accepted("64 ServiceAccounts", spec(json!({"serviceAccounts": accounts(64)}))),
        rejected("65 ServiceAccounts", spec(json!({"serviceAccounts": accounts(65)})), "at most 64 items"),
        rejected(
            "a ServiceAccount twice",
            spec(json!({"serviceAccounts": [{"name": "ci"}, {"name": "ci"}]})),
            "Duplicate value",
        ),
        rejected(
            "a ServiceAccount of another namespace",
            spec(json!({"serviceAccounts": [{"name": "team-b/ci"}]})),
            "the name of a Kubernetes object has",
        ),
        rejected("a ServiceAccount without a name", spec(json!({"serviceAccounts": [{}]})), "Required value"),
        accepted("a rotation", spec(json!({"rotation": {"interval": "720h"}}))),
        rejected("a rotation every minute", spec(json!({"rotation": {"interval": "1m"}})), "interval must be between"),
        rejected(
            "a rotation in two years",
            spec(json!({"rotation": {"interval": "17520h"}})),
            "interval must be between",
        ),
        rejected(
            "an overlap equal to the interval",
            spec(json!({"rotation": {"interval": "1h", "overlap": "60m"}})),
            "overlap must be shorter than interval",
        ),
        accepted("a rotation in hours, minutes and seconds", spec(json!({"rotation": {"interval": "2h30m10s"}}))),
        rejected(
            "a rotation with units in the wrong order",
            spec(json!({"rotation": {"interval": "30m2h"}})),
            "should match",
        ),
        accepted("a rotation window", window("0 2 * * 6", "4h", "Europe/Amsterdam")),
        rejected("a window with four cron fields", window("0 2 * *", "4h", "UTC"), "should match"),
        rejected("a window with a name for its schedule", window("@daily", "4h", "UTC"), "should match"),
        rejected("a window of a minute", window("0 2 * * 6", "1m", "UTC"), "duration must be between 5m and 168h"),
        rejected("a time zone with a blank", window("0 2 * * 6", "4h", "New York"), "should match"),
        rejected("a unit twice", spec(json!({"rotation": {"interval": "1h1h"}})), "should match"),
        rejected(
            "an overlap in milliseconds",
            spec(json!({"rotation": {"interval": "1h", "overlap": "1ms"}})),
            "should match",
        ),
        rejected("not a duration", spec(json!({"rotation": {"interval": ""}})), "at least 1"),
        accepted("the other policies", spec(json!({"upstreamRevocationPolicy": "Hold", "deletionPolicy": "Orphan"}))),
        rejected("an unknown policy", spec(json!({"deletionPolicy": "Retain"})), "Unsupported value"),
        rejected("a name that no Secret can have", secret(json!({"name": "Not_A_Name"})), NAME),
        rejected("a path for a Secret's name", secret(json!({"name": "../../x"})), NAME),
        rejected("not a name of an issuer", spec(json!({"issuerRef": {"name": "?"}})), NAME),
        rejected("a path for an issuer's name", spec(json!({"issuerRef": {"name": "../x"}})), NAME),
        accepted("an issuer with dots", spec(json!({"issuerRef": {"name": "a.b-c.0"}}))),
    ]
    .into_iter()
    .chain(secret_metadata())
    .collect()
}

/// Part of the message about the name of an object.
pub const NAME: &str = "the name of a Kubernetes object has";
/// Part of the message about a key of a Secret or ConfigMap.
pub const KEY: &str = "a key has letters, digits";

/// Labels and annotations of a Secret: what the API server would reject on the Secret is rejected on the RegistryToken.
fn secret_metadata() -> Vec<Case> {
    let labels = |labels: Value| spec(json!({"secret": {"labels": labels}}));
    let annotations = |annotations: Value| spec(json!({"secret": {"annotations": annotations}}));
    let many = |count: usize| -> Value { (0..count).map(|one| (format!("key-{one}"), json!("x"))).collect() };
    let (long, prefix) = ("a".repeat(63), format!("{0}.{0}.{0}.{1}", "b".repeat(63), "c".repeat(61)));
    let key = |key: &str| json!({ key: "x" });
    vec![
        accepted("16 labels", labels(many(16))),
        rejected("17 labels", labels(many(17)), "at most 16"),
        accepted("an empty label", labels(json!({"a": ""}))),
        accepted("a label of 63", labels(json!({"a": long}))),
        rejected("a label of 64", labels(json!({"a": "a".repeat(64)})), "Too long"),
        rejected("a space in a label", labels(json!({"a": "not valid"})), "a label's value has at most"),
        rejected("a label with a slash", labels(json!({"a": "b/c"})), "a label's value has at most"),
        rejected("a label that ends in a dash", labels(json!({"a": "b-"})), "a label's value has at most"),
        rejected("a label with two lines", labels(json!({"a": "b\n"})), "a label's value has at most"),
        rejected("a letter outside of ASCII", labels(json!({"a": "é"})), "a label's value has at most"),
        accepted("the longest key", labels(key(&format!("{prefix}/{long}")))),
        rejected("a longer prefix", labels(key(&format!("{prefix}d/{long}"))), "a label's key is a name"),
        rejected("a longer name", labels(key(&format!("a/{long}b"))), "a label's key is a name"),
        rejected("an empty key", labels(key("")), "a label's key is a name"),
        rejected("a space in a key", labels(key("a b")), "a label's key is a name"),
        rejected("two slashes", labels(key("a/b/c")), "a label's key is a name"),
        rejected("no name after the slash", labels(key("a/")), "a label's key is a name"),
        rejected("no prefix before the slash", labels(key("/a")), "a label's key is a name"),
        rejected("a prefix in upper case", labels(key("A.b/c")), "a label's key is a name"),
        accepted("an annotation's prefix in upper case", annotations(key("A.b/c"))),
        rejected("a space in an annotation's key", annotations(key("a b")), "an annotation's key is a name"),
        rejected("an annotation's key with two slashes", annotations(key("a/b/c")), "an annotation's key is a name"),
        rejected("an annotation's key of 64", annotations(key(&format!("{long}a"))), "an annotation's key is a name"),
        accepted("16 annotations", annotations(many(16))),
        rejected("17 annotations", annotations(many(17)), "at most 16"),
        accepted("annotations of 4 KiB", annotations(json!({"a": "x".repeat(4000), "b": "y".repeat(94)}))),
        rejected(
            "more than 4 KiB",
            annotations(json!({"a": "x".repeat(4000), "b": "y".repeat(95)})),
            "4096 bytes in total",
        ),
        rejected("4 KiB of letters with two bytes", annotations(json!({"a": "é".repeat(2048)})), "4096 bytes in total"),
    ]
}
