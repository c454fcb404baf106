//! An issuer in a file, as the API server would read it.

use crate::api::{AllowedNamespaces, GROUP, IssuerSpec, NamespaceName, ObjectName};
use crate::run::Failure;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::Path;

/// Larger than any manifest.
const LONGEST: u64 = 4 << 20;

/// An issuer.
#[derive(Debug)]
pub(super) struct IssuerFile {
    pub kind: String,
    pub name: ObjectName,
    /// Of a `TokenIssuer`.
    pub namespace: Option<NamespaceName>,
    pub spec: IssuerSpec,
    /// Fields that an issuer does not have.
    pub unknown: Vec<String>,
}

pub(super) fn read(path: &Path) -> Result<IssuerFile, Failure> {
    let shown = path.display();
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(LONGEST).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text))
    };
    read.map_err(|error| format!("{shown}: {error}"))?;
    parse(&text).map_err(|error| format!("{shown}: {error}").into())
}

fn parse(text: &str) -> Result<IssuerFile, Failure> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
    let is_issuer = |document: &&Value| {
        let version = document["apiVersion"].as_str().unwrap_or_default();
        version.starts_with(GROUP) && matches!(document["kind"].as_str(), Some("ClusterTokenIssuer" | "TokenIssuer"))
    };
    let found = documents.iter().find(is_issuer);
    let document = found.ok_or("there is no ClusterTokenIssuer or TokenIssuer of registry-token.dev in it")?;
    let kind = document["kind"].as_str().unwrap_or_default().to_owned();
    let metadata = &document["metadata"];
    if metadata["name"].is_null() {
        return Err("metadata.name is missing".into());
    }
    let name: ObjectName = typed("metadata.name", &metadata["name"])?;
    let namespace: Option<NamespaceName> =
        if kind == "TokenIssuer" { typed("metadata.namespace", &metadata["namespace"])? } else { None };
    let spec: IssuerSpec = typed("spec", &document["spec"])?;
    let mut known = serde_json::to_value(&spec)?;
    let allowed = &document["spec"]["allowedNamespaces"];
    if kind == "ClusterTokenIssuer" && !allowed.is_null() {
        known["allowedNamespaces"] = json!(typed::<AllowedNamespaces>("spec.allowedNamespaces", allowed)?);
    }
    let mut unknown = vec![];
    strange("spec", &document["spec"], &known, &mut unknown);
    Ok(IssuerFile { kind, name, namespace, spec, unknown })
}

/// Reads a part; a failure names the field.
fn typed<T: DeserializeOwned>(at: &str, value: &Value) -> Result<T, Failure> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { at.to_owned() } else { format!("{at}.{path}") };
        format!("{field}: {}", error.inner()).into()
    })
}

/// Fields that were given and not understood.
fn strange(at: &str, given: &Value, known: &Value, unknown: &mut Vec<String>) {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
                let field = format!("{at}.{name}");
                match known.get(name) {
                    Some(known) => strange(&field, value, known, unknown),
                    None => unknown.push(field),
                }
            }
        }
        (Value::Array(given), Value::Array(known)) => {
            for (number, (given, known)) in given.iter().zip(known).enumerate() {
                strange(&format!("{at}[{number}]"), given, known, unknown);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
apiVersion: v1
kind: Secret
---
apiVersion: registry-token.dev/v1alpha1
kind: TokenIssuer
metadata: {name: mine, namespace: team-a}
spec:
  type: Thinkwise
  thinkwise:
    url: https://portal.example.com
    auth: {type: Basic, basic: {secretRef: {name: portal}}}
    tasks: {request: {parameters: [{name: d, from: Description}]}}
";

    #[test]
    fn the_issuer_is_found_among_other_things() {
        let file = parse(GOOD).expect("an issuer");
        assert_eq!((file.kind.as_str(), file.name.as_str()), ("TokenIssuer", "mine"));
        assert_eq!(file.namespace.map(|name| name.to_string()).as_deref(), Some("team-a"));
        assert!(file.unknown.is_empty(), "{:?}", file.unknown);
    }

    #[test]
    fn a_field_that_does_not_exist_is_named() {
        let text = GOOD
            .replace("request: {", "requests: {}, request: {form: Auto, ")
            .replace("from: Desc", "source: x, from: Desc");
        let unknown = parse(&text).expect("an issuer").unknown;
        assert_eq!(unknown, ["spec.thinkwise.tasks.request.parameters[0].source", "spec.thinkwise.tasks.requests"]);
        let allowed = GOOD.replace("  type: Th", "  allowedNamespaces: {from: All, selectr: {}}\n  type: Th");
        assert_eq!(
            parse(&allowed).expect("an issuer").unknown,
            ["spec.allowedNamespaces"],
            "a namespaced one has none"
        );
        let cluster = allowed.replace("TokenIssuer", "ClusterTokenIssuer");
        assert_eq!(parse(&cluster).expect("an issuer").unknown, ["spec.allowedNamespaces.selectr"]);
    }

    #[test]
    fn what_is_no_issuer_is_said_with_its_field() {
        for (text, says) in [
            ("a: b", "no ClusterTokenIssuer"),
            ("", "no ClusterTokenIssuer"),
            (": : :", ""),
            (&GOOD.replace("name: mine, ", ""), "metadata.name"),
            (&GOOD.replace("namespace: team-a", "namespace: ../../x"), "metadata.namespace: \"../../x\" is not"),
            (&GOOD.replace("{name: portal}", "{name: '?'}"), "basic.secretRef.name: \"?\" is not the name"),
            (&GOOD.replace("{name: portal}", "{name: x, passwordKey: a/b}"), "passwordKey: \"a/b\" is not a key"),
            (&GOOD.replace("    url: https://portal.example.com\n", ""), "spec.thinkwise: missing field `url`"),
            (&GOOD.replace("name: d,", "name: 4,"), "spec.thinkwise.tasks.request.parameters[0].name"),
            (&GOOD.replace("from: Description", "from: Text"), "unknown variant `Text`"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
