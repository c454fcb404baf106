//! The rules of the issuers' CRDs, each accepted and refused.

use crate::admission_cases::{Case, KEY, NAME, accepted, refused, spec};
use serde_json::{Value, json};

/// A good issuer.
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

/// Of an issuer of either kind.
pub fn issuers(kind: &str) -> Vec<Case> {
    let mut all = addresses();
    all.extend(logins());
    all.extend(tables());
    all.extend(tasks());
    all.extend(forms());
    all.extend(limits_and_registries());
    if kind == "ClusterTokenIssuer" {
        let allowed = |change: Value| spec(json!({"allowedNamespaces": change}));
        all.push(accepted("a selector", allowed(json!({"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}))));
        all.push(refused("no selector", allowed(json!({"from": "Selector"})), "give a selector with from: Selector"));
        let both = json!({"from": "All", "selector": {"matchLabels": {"a": "b"}}});
        all.push(refused("a selector for all", allowed(both), "give a selector with from: Selector"));
    }
    all
}

fn addresses() -> Vec<Case> {
    let at = |url: &str| spec(json!({"thinkwise": {"url": url}}));
    vec![
        accepted("a good issuer", spec(json!({}))),
        refused("no member", spec(json!({"thinkwise": null})), "type Thinkwise needs spec.thinkwise"),
        refused("another vendor", spec(json!({"type": "Harbor"})), "Unsupported value"),
        accepted("a port", at("https://portal.example.com:8443/indicium")),
        refused("no address", at("portal.example.com"), "url must be Indicium's root"),
        refused("another scheme", at("ftp://portal.example.com"), "url must be Indicium's root"),
        refused("a slash at the end", at("https://portal.example.com/"), "must not end with a slash"),
        refused("a query", at("https://portal.example.com/a?b=c"), "must not have a query or a fragment"),
        refused("a user", at("https://me:pw@portal.example.com"), "must not hold a user or password"),
        refused("the application's path", at("https://portal.example.com/indicium/iam/tcp"), "must not hold /iam"),
        refused("http", at("http://portal.example.com"), "url is http"),
        accepted(
            "http that is meant",
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
        refused("a token URL that is none", client(json!({"tokenURL": "login"})), "tokenURL must be a URL"),
        refused("an http token URL", client(json!({"tokenURL": "http://login.example.com"})), "tokenURL is http"),
        refused("a type without its member", auth(json!({"basic": null})), "give basic with type: Basic"),
        refused(
            "the wrong member",
            auth(json!({"oauth2ClientCredentials": {"secretRef": {"name": "portal"}}})),
            "give oauth2ClientCredentials with type: OAuth2ClientCredentials",
        ),
        refused("no name of a Secret", auth(json!({"basic": {"secretRef": {"name": "?"}}})), NAME),
        refused("an empty name", auth(json!({"basic": {"secretRef": {"name": ""}}})), "at least 1"),
        refused("a path for a name", auth(json!({"basic": {"secretRef": {"name": "../../victim/secrets/x"}}})), NAME),
        refused("a name in upper case", client(json!({"secretRef": {"name": "Portal"}})), NAME),
        refused("a name of 254", client(json!({"secretRef": {"name": "a".repeat(254)}})), "Too long"),
        accepted("a name with dots", client(json!({"secretRef": {"name": "portal.example.com"}}))),
        refused("a key with a slash", auth(json!({"basic": {"secretRef": {"passwordKey": "a/b"}}})), KEY),
        refused("a key with a blank", auth(json!({"basic": {"secretRef": {"usernameKey": "a b"}}})), KEY),
        refused("an id's key that is none", client(json!({"secretRef": {"clientIDKey": "?"}})), KEY),
        refused("a secret's key that is none", client(json!({"secretRef": {"clientSecretKey": "é"}})), KEY),
        accepted("a key with a dot", auth(json!({"basic": {"secretRef": {"passwordKey": ".pass_word-1"}}}))),
        refused("no name of a ConfigMap", tls(json!({"caConfigMapRef": {"name": "a/b"}})), NAME),
        refused("a CA's key that is none", tls(json!({"caConfigMapRef": {"name": "ca", "key": "../ca"}})), KEY),
        accepted("a bundle", tls(json!({"caBundle": pem}))),
        refused("a bundle that is none", tls(json!({"caBundle": "MIIB"})), "caBundle must be PEM"),
        refused(
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
        accepted("nothing but the address", spec(json!({"thinkwise": {"table": null, "tasks": null}}))),
        accepted("a part of a table", table(json!({"name": null, "key": null, "columns": {"username": null}}))),
        accepted("a customer in the key", key(json!([customer, id]))),
        refused("a key without the token", key(json!([customer])), "exactly one column of the key has from: TokenID"),
        refused(
            "a key with two tokens",
            key(json!([id, {"column": "other", "from": "TokenID"}])),
            "exactly one column of the key has from: TokenID",
        ),
        refused("a column twice", key(json!([id, {"column": "id", "value": "1"}])), "the key names a column twice"),
        refused(
            "a column from two sources",
            key(json!([{"column": "id", "from": "TokenID", "value": "1"}])),
            "from: TokenID or a fixed value",
        ),
        refused("a column from none", key(json!([id, {"column": "klant_id"}])), "from: TokenID or a fixed value"),
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
        refused(
            "a request without description",
            taking("request", json!([{"name": "a", "value": "b"}])),
            "the request needs one parameter",
        ),
        refused("a request with an id", taking("request", json!([description, id])), "the request needs one parameter"),
        refused(
            "a revocation with a description",
            taking("revoke", json!([id, description])),
            "a revocation has no description to send",
        ),
        refused("a parameter twice", taking("revoke", json!([id, {"name": "i", "value": "1"}])), "have the same name"),
        refused(
            "a parameter from two sources",
            taking("revoke", json!([{"name": "i", "from": "TokenID", "value": "1"}])),
            "give from or value",
        ),
        refused("a parameter from none", taking("revoke", json!([id, {"name": "x"}])), "give from or value"),
    ]
}

fn forms() -> Vec<Case> {
    let task = |name: &str, change: Value| spec(json!({"thinkwise": {"tasks": {name: change}}}));
    let description = json!([{"name": "d", "from": "Description"}]);
    let confirm = json!([{"name": "confirm", "value": "true"}]);
    let row = json!({"table": "klant", "key": [{"column": "klant_id", "value": "42"}]});
    let twice = json!({"table": "klant", "key": [{"column": "a", "value": "1"}, {"column": "a", "value": "2"}]});
    vec![
        accepted("a row for a form to be found", task("request", json!({"boundTo": row}))),
        accepted("a bound request", task("request", json!({"form": "Bound", "boundTo": row}))),
        accepted("a staged request", task("request", json!({"form": "BoundStaged", "boundTo": row}))),
        accepted("a staged request to no row", task("request", json!({"form": "UnboundStaged"}))),
        refused(
            "an unbound staged request to a row",
            task("request", json!({"form": "UnboundStaged", "boundTo": row})),
            "boundTo is the row of a bound task",
        ),
        refused(
            "an unbound staged edit of nothing",
            task("editDescription", json!({"form": "UnboundStaged", "parameters": description})),
            "the edit needs a parameter",
        ),
        refused(
            "an unbound staged revocation of nothing",
            task("revoke", json!({"form": "UnboundStaged", "parameters": confirm})),
            "the revocation needs a parameter",
        ),
        refused(
            "a bound request to nothing",
            task("request", json!({"form": "Bound"})),
            "a bound request needs boundTo",
        ),
        refused(
            "a staged request to nothing",
            task("request", json!({"form": "BoundStaged"})),
            "a bound request needs boundTo",
        ),
        refused(
            "an unbound request to a row",
            task("request", json!({"form": "Unbound", "boundTo": row})),
            "boundTo is the row of a bound task",
        ),
        refused(
            "a column of the row twice",
            task("request", json!({"boundTo": twice})),
            "boundTo names a column twice",
        ),
        refused("another form", task("revoke", json!({"form": "Batch"})), "Unsupported value"),
        accepted(
            "an edit of its own row",
            task("editDescription", json!({"form": "Bound", "parameters": description})),
        ),
        accepted("an edit of a form to be found", task("editDescription", json!({"parameters": description}))),
        refused(
            "an unbound edit of nothing",
            task("editDescription", json!({"form": "Unbound", "parameters": description})),
            "the edit needs a parameter",
        ),
        refused(
            "an edit without description",
            task("editDescription", json!({"form": "Bound", "parameters": []})),
            "the edit needs a parameter",
        ),
        accepted("a revocation of its own row", task("revoke", json!({"form": "BoundStaged", "parameters": confirm}))),
        accepted("one without parameters", task("revoke", json!({"form": "Bound", "parameters": []}))),
        refused(
            "an unbound revocation of nothing",
            task("revoke", json!({"form": "Unbound", "parameters": confirm})),
            "the revocation needs a parameter",
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
        refused("no concurrency", limits(json!({"concurrency": 0})), "should be greater than or equal to 1"),
        refused(
            "a first byte after the end",
            limits(json!({"requestTimeout": "10s"})),
            "make requestTimeout at least as long",
        ),
        refused("an hour", limits(json!({"requestTimeout": "1h"})), "between 100ms and 10m"),
        accepted("units in their order", limits(json!({"requestTimeout": "1m30s500ms"}))),
        refused("units turned round", limits(json!({"requestTimeout": "30s2m"})), "should match"),
        refused("a unit twice", limits(json!({"requestTimeout": "1m1m"})), "should match"),
        refused("nothing", limits(json!({"requestTimeout": ""})), "at least 1"),
        refused("no duration", limits(json!({"requestTimeout": "soon"})), "should match"),
        accepted("other audits", spec(json!({"audit": {"interval": "1h", "maxVanishedPercent": 0}}))),
        refused("audits without a pause", spec(json!({"audit": {"interval": "30s"}})), "between 1m and 24h"),
        refused("audits with units turned round", spec(json!({"audit": {"interval": "30m1h"}})), "should match"),
        refused("audits once a week", spec(json!({"audit": {"interval": "168h"}})), "between 1m and 24h"),
        refused("more than all gone", spec(json!({"audit": {"maxVanishedPercent": 101}})), "less than or equal to 100"),
        accepted("another login check", spec(json!({"loginCheck": "BestEffort", "ownershipMarker": "Permanent"}))),
        refused("a login check that is off", spec(json!({"loginCheck": false})), "must be of type string"),
        accepted("a port and a path", registry("registry.example.com:5000/team")),
        refused("a scheme", registry("https://registry.example.com"), "without https://"),
        refused("a blank", registry("registry example"), "a registry is host[:port][/path]"),
        refused("bundles that are too long together", bundles(33_000), "at most 65536 characters in total"),
        accepted("bundles that are long", bundles(32_000)),
        refused("no registry", spec(json!({"registries": []})), "at least 1"),
        refused("one twice", spec(json!({"registries": [{"host": "a"}, {"host": "a"}]})), "Duplicate value"),
    ]
}
