//! Cases for the validation rules of the issuer CRDs: each rule accepts and rejects.

use crate::admission_cases::{Case, KEY, NAME, accepted, rejected, spec};
use serde_json::{Value, json};

pub fn good_issuer() -> Value {
    let named = |name: &str| json!({"name": name, "from": "TokenID"});
    json!({
        "type": "Thinkwise",
        "thinkwise": {
            "url": "https://portal.example.com/indicium",
            "auth": {"type": "Basic", "basic": {"secretRef": {"name": "portal"}}},
            "table": {
                "name": "container_token",
                "key": [{"column": "container_token_id", "from": "TokenID"}],
                "columns": {"username": "username", "description": "description"},
            },
            "tasks": {
                "request": {
                    "name": "request_token", "parameters": [{"name": "description", "from": "Description"}],
                    "outputs": {"username": "username", "secret": "secret"},
                },
                "editDescription": {
                    "name": "edit_token_description",
                    "parameters": [named("container_token_id"), {"name": "description", "from": "Description"}],
                },
                "revoke": {"name": "revoke_token", "parameters": [named("container_token_id")]},
            },
        },
    })
}

/// Cases of an issuer of this kind.
pub fn issuers(kind: &str) -> Vec<Case> {
    let mut all = addresses();
    all.extend(logins());
    all.extend(tables());
    all.extend(tasks());
    all.extend(forms());
    all.extend(limits_and_registries());
    all.extend(crate::admission_gitea_cases::gitea());
    all.extend(crate::admission_gitlab_cases::gitlab());
    all.extend(crate::admission_harbor_cases::harbor());
    if kind == "ClusterTokenIssuer" {
        let allowed = |change: Value| spec(json!({"allowedNamespaces": change}));
        all.push(accepted("a selector", allowed(json!({"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}))));
        all.push(rejected(
            "no selector",
            allowed(json!({"from": "Selector"})),
            "set selector if and only if from is Selector",
        ));
        let both = json!({"from": "All", "selector": {"matchLabels": {"a": "b"}}});
        let expression = |one: Value| allowed(json!({"from": "Selector", "selector": {"matchExpressions": [one]}}));
        all.push(rejected(
            "an operator",
            expression(json!({"key": "a", "operator": "in", "values": ["b"]})),
            "In, NotIn",
        ));
        all.push(rejected("no values", expression(json!({"key": "a", "operator": "NotIn"})), "need values"));
        all.push(accepted("a grace period", allowed(json!({"gracePeriod": "0s"}))));
        all.push(rejected("a long grace period", allowed(json!({"gracePeriod": "9000h"})), "at most 8760h"));
        all.push(rejected("a selector for all", allowed(both), "set selector if and only if from is Selector"));
    }
    all
}

fn addresses() -> Vec<Case> {
    let at = |url: &str| spec(json!({"thinkwise": {"url": url}}));
    vec![
        accepted("a good issuer", spec(json!({}))),
        rejected("no member", spec(json!({"thinkwise": null})), "type Thinkwise requires spec.thinkwise"),
        rejected("another vendor", spec(json!({"type": "Quay"})), "Unsupported value"),
        accepted("a port", at("https://portal.example.com:8443/indicium")),
        rejected("no address", at("portal.example.com"), "url must be Indicium's root"),
        rejected("another scheme", at("ftp://portal.example.com"), "url must be Indicium's root"),
        rejected("a slash at the end", at("https://portal.example.com/"), "must not end with a slash"),
        rejected("a query", at("https://portal.example.com/a?b=c"), "must not have a query or a fragment"),
        rejected("a user", at("https://me:pw@portal.example.com"), "must not contain a user or password"),
        rejected("the application's path", at("https://portal.example.com/indicium/iam/tcp"), "must not contain /iam"),
        rejected("http", at("http://portal.example.com"), "url is http"),
        accepted(
            "http with allowInsecureHTTP",
            spec(json!({"thinkwise": {"url": "http://portal.example.com", "allowInsecureHTTP": true}})),
        ),
    ]
}

fn logins() -> Vec<Case> {
    let auth = |change: Value| spec(json!({"thinkwise": {"auth": change}}));
    let client = |change: Value| {
        let mut oauth = json!({"secretRef": {"name": "portal"}});
        crate::fixture::merge(&mut oauth, change);
        auth(json!({"type": "OAuth2ClientCredentials", "basic": null, "oauth2ClientCredentials": oauth}))
    };
    let tls = |change: Value| spec(json!({"thinkwise": {"tls": change}}));
    let pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----";
    vec![
        accepted("client credentials", client(json!({}))),
        accepted("a token URL", client(json!({"tokenURL": "https://login.example.com/token"}))),
        rejected("an invalid token URL", client(json!({"tokenURL": "login"})), "tokenURL must be a URL"),
        rejected("an http token URL", client(json!({"tokenURL": "http://login.example.com"})), "tokenURL is http"),
        rejected("a type without its member", auth(json!({"basic": null})), "set basic if and only if type is Basic"),
        rejected(
            "the wrong member",
            auth(json!({"oauth2ClientCredentials": {"secretRef": {"name": "portal"}}})),
            "set oauth2ClientCredentials if and only if type is OAuth2ClientCredentials",
        ),
        rejected("not a name of a Secret", auth(json!({"basic": {"secretRef": {"name": "?"}}})), NAME),
        rejected("an empty name", auth(json!({"basic": {"secretRef": {"name": ""}}})), "at least 1"),
        rejected("a path for a name", auth(json!({"basic": {"secretRef": {"name": "../../victim/secrets/x"}}})), NAME),
        rejected("a name in upper case", client(json!({"secretRef": {"name": "Portal"}})), NAME),
        rejected("a name of 254", client(json!({"secretRef": {"name": "a".repeat(254)}})), "Too long"),
        accepted("a name with dots", client(json!({"secretRef": {"name": "portal.example.com"}}))),
        rejected("a key with a slash", auth(json!({"basic": {"secretRef": {"passwordKey": "a/b"}}})), KEY),
        rejected("a key with a space", auth(json!({"basic": {"secretRef": {"usernameKey": "a b"}}})), KEY),
        rejected("an invalid key for the id", client(json!({"secretRef": {"clientIDKey": "?"}})), KEY),
        rejected("an invalid key for the secret", client(json!({"secretRef": {"clientSecretKey": "é"}})), KEY),
        accepted("a key with a dot", auth(json!({"basic": {"secretRef": {"passwordKey": ".pass_word-1"}}}))),
        rejected("not a name of a ConfigMap", tls(json!({"caConfigMapRef": {"name": "a/b"}})), NAME),
        rejected("an invalid key for the CA", tls(json!({"caConfigMapRef": {"name": "ca", "key": "../ca"}})), KEY),
        accepted("a bundle", tls(json!({"caBundle": pem}))),
        rejected("an invalid bundle", tls(json!({"caBundle": "MIIB"})), "caBundle must be PEM"),
        rejected(
            "two CAs",
            tls(json!({"caBundle": pem, "caConfigMapRef": {"name": "ca"}})),
            "caConfigMapRef or caBundle",
        ),
    ]
}

fn tables() -> Vec<Case> {
    let table = |change: Value| spec(json!({"thinkwise": {"table": change}}));
    let key = |key: Value| table(json!({"key": key}));
    let (id, customer) = (json!({"column": "id", "from": "TokenID"}), json!({"column": "klant_id", "value": "42"}));
    vec![
        accepted("only the address", spec(json!({"thinkwise": {"table": null, "tasks": null}}))),
        accepted("a part of a table", table(json!({"name": null, "key": null, "columns": {"username": null}}))),
        accepted("a customer in the key", key(json!([customer, id]))),
        rejected("a key without the token", key(json!([customer])), "exactly one key column must have from: TokenID"),
        rejected(
            "a key with two tokens",
            key(json!([id, {"column": "other", "from": "TokenID"}])),
            "exactly one key column must have from: TokenID",
        ),
        rejected("a column twice", key(json!([id, {"column": "id", "value": "1"}])), "the key contains a column twice"),
        rejected(
            "a column from two sources",
            key(json!([{"column": "id", "from": "TokenID", "value": "1"}])),
            "set from: TokenID or value",
        ),
        rejected("a column without a source", key(json!([id, {"column": "klant_id"}])), "set from: TokenID or value"),
    ]
}

fn tasks() -> Vec<Case> {
    let task = |name: &str, change: Value| spec(json!({"thinkwise": {"tasks": {name: change}}}));
    let taking = |name: &str, parameters: Value| task(name, json!({"parameters": parameters}));
    let (description, id) = (json!({"name": "d", "from": "Description"}), json!({"name": "i", "from": "TokenID"}));
    vec![
        accepted("no tasks", spec(json!({"thinkwise": {"tasks": {"request": null, "revoke": null}}}))),
        accepted("a task by its name", task("revoke", json!({"name": "x", "parameters": null}))),
        accepted("one output", task("request", json!({"outputs": {"username": null, "secret": "geheim"}}))),
        accepted("a fixed value beside", taking("request", json!([description, {"name": "confirm", "value": "true"}]))),
        rejected(
            "a request without description",
            taking("request", json!([{"name": "a", "value": "b"}])),
            "the request requires a parameter",
        ),
        rejected(
            "a request with an id",
            taking("request", json!([description, id])),
            "the request requires a parameter",
        ),
        rejected(
            "a revocation with a description",
            taking("revoke", json!([id, description])),
            "a revocation has no description to send",
        ),
        rejected("a parameter twice", taking("revoke", json!([id, {"name": "i", "value": "1"}])), "have the same name"),
        rejected(
            "a parameter from two sources",
            taking("revoke", json!([{"name": "i", "from": "TokenID", "value": "1"}])),
            "set from or value",
        ),
        rejected("a parameter without a source", taking("revoke", json!([id, {"name": "x"}])), "set from or value"),
    ]
}

fn forms() -> Vec<Case> {
    let task = |name: &str, change: Value| spec(json!({"thinkwise": {"tasks": {name: change}}}));
    let description = json!([{"name": "d", "from": "Description"}]);
    let confirm = json!([{"name": "confirm", "value": "true"}]);
    let row = json!({"table": "klant", "key": [{"column": "klant_id", "value": "42"}]});
    let twice = json!({"table": "klant", "key": [{"column": "a", "value": "1"}, {"column": "a", "value": "2"}]});
    vec![
        accepted("a row for a discovered form", task("request", json!({"boundTo": row}))),
        accepted("a bound request", task("request", json!({"form": "Bound", "boundTo": row}))),
        accepted("a staged request", task("request", json!({"form": "BoundStaged", "boundTo": row}))),
        accepted("a staged request to no row", task("request", json!({"form": "UnboundStaged"}))),
        rejected(
            "an unbound staged request to a row",
            task("request", json!({"form": "UnboundStaged", "boundTo": row})),
            "boundTo is the row of a bound task",
        ),
        rejected(
            "an unbound staged edit of nothing",
            task("editDescription", json!({"form": "UnboundStaged", "parameters": description})),
            "the edit requires a parameter",
        ),
        rejected(
            "an unbound staged revocation of nothing",
            task("revoke", json!({"form": "UnboundStaged", "parameters": confirm})),
            "the revocation requires a parameter",
        ),
        rejected(
            "a bound request to nothing",
            task("request", json!({"form": "Bound"})),
            "a bound request requires boundTo",
        ),
        rejected(
            "a staged request to nothing",
            task("request", json!({"form": "BoundStaged"})),
            "a bound request requires boundTo",
        ),
        rejected(
            "an unbound request to a row",
            task("request", json!({"form": "Unbound", "boundTo": row})),
            "boundTo is the row of a bound task",
        ),
        rejected(
            "a column of the row twice",
            task("request", json!({"boundTo": twice})),
            "boundTo contains a column twice",
        ),
        rejected("another form", task("revoke", json!({"form": "Batch"})), "Unsupported value"),
        accepted(
            "an edit of its own row",
            task("editDescription", json!({"form": "Bound", "parameters": description})),
        ),
        accepted("an edit with a discovered form", task("editDescription", json!({"parameters": description}))),
        rejected(
            "an unbound edit of nothing",
            task("editDescription", json!({"form": "Unbound", "parameters": description})),
            "the edit requires a parameter",
        ),
        rejected(
            "an edit without description",
            task("editDescription", json!({"form": "Bound", "parameters": []})),
            "the edit requires a parameter",
        ),
        accepted("a revocation of its own row", task("revoke", json!({"form": "BoundStaged", "parameters": confirm}))),
        accepted("one without parameters", task("revoke", json!({"form": "Bound", "parameters": []}))),
        rejected(
            "an unbound revocation of nothing",
            task("revoke", json!({"form": "Unbound", "parameters": confirm})),
            "the revocation requires a parameter",
        ),
    ]
}

fn limits_and_registries() -> Vec<Case> {
    let bundles = |size: usize| {
        let bundle = format!("-----BEGIN CERTIFICATE-----\n{}", "x".repeat(size));
        let registry = |host: &str| json!({"host": host, "tls": {"caBundle": bundle}});
        spec(json!({"registries": [registry("a"), registry("b")]}))
    };
    let limits = |change: Value| spec(json!({"limits": change}));
    let registry = |host: &str| spec(json!({"registries": [{"host": host}]}));
    vec![
        accepted("other limits", limits(json!({"concurrency": 1, "requestTimeout": "5m", "firstByteTimeout": "2m"}))),
        rejected("no concurrency", limits(json!({"concurrency": 0})), "should be greater than or equal to 1"),
        rejected(
            "a first-byte timeout above the request timeout",
            limits(json!({"requestTimeout": "10s"})),
            "make requestTimeout at least as long",
        ),
        rejected("an hour", limits(json!({"requestTimeout": "1h"})), "between 100ms and 10m"),
        accepted("units in their order", limits(json!({"requestTimeout": "1m30s500ms"}))),
        rejected("units in the wrong order", limits(json!({"requestTimeout": "30s2m"})), "should match"),
        rejected("a unit twice", limits(json!({"requestTimeout": "1m1m"})), "should match"),
        rejected("nothing", limits(json!({"requestTimeout": ""})), "at least 1"),
        rejected("no duration", limits(json!({"requestTimeout": "soon"})), "should match"),
        accepted("other audits", spec(json!({"audit": {"interval": "1h", "maxVanishedPercent": 0}}))),
        rejected("audits without an interval", spec(json!({"audit": {"interval": "30s"}})), "between 1m and 24h"),
        rejected("audits with units in the wrong order", spec(json!({"audit": {"interval": "30m1h"}})), "should match"),
        rejected("audits once a week", spec(json!({"audit": {"interval": "168h"}})), "between 1m and 24h"),
        rejected(
            "more than 100 percent missing",
            spec(json!({"audit": {"maxVanishedPercent": 101}})),
            "less than or equal to 100",
        ),
        accepted("another login check", spec(json!({"loginCheck": "BestEffort", "ownershipMarker": "Permanent"}))),
        rejected("a login check that is off", spec(json!({"loginCheck": false})), "must be of type string"),
        accepted("a port and a path", registry("registry.example.com:5000/team")),
        rejected("a scheme", registry("https://registry.example.com"), "without https://"),
        rejected("a blank", registry("registry example"), "a registry is host[:port][/path]"),
        rejected("bundles that are too long in total", bundles(33_000), "at most 65536 characters in total"),
        accepted("bundles that are long", bundles(32_000)),
        rejected("no registry", spec(json!({"registries": []})), "at least 1"),
        rejected("one twice", spec(json!({"registries": [{"host": "a"}, {"host": "a"}]})), "Duplicate value"),
    ]
}
