//! Reads an issuer from a file, as the API server would.

use crate::api::{AllowedNamespaces, GROUP, IssuerSpec, NamespaceName, ObjectName};
use crate::cli::error::CliError;
use crate::plain_text;
use crate::sanitize::sanitize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::Path;

/// Larger than any manifest.
const MAX_FILE_BYTES: u64 = 4 << 20;

#[derive(Debug)]
pub(crate) struct IssuerFile {
    pub kind: String,
    pub name: ObjectName,
    /// Only of a `TokenIssuer`.
    pub namespace: Option<NamespaceName>,
    pub spec: IssuerSpec,
    /// Fields that do not exist in the issuer's schema.
    pub unknown_fields: Vec<String>,
    /// Other issuers in the same file.
    pub other_issuers: Vec<String>,
}

pub(crate) fn read(path: &Path) -> Result<IssuerFile, CliError> {
    let shown = path.display();
    let mut bytes = vec![];
    let read = if path == Path::new("-") {
        std::io::stdin().take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| format!("{shown}: {error}"))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!(
            "{shown} is larger than {} MiB: use a file that contains only the issuer",
            MAX_FILE_BYTES >> 20
        )
        .into());
    }
    let text = plain_text::document(&bytes).map_err(|problem| format!("{shown} {problem}"))?;
    parse(text).map_err(|error| format!("{shown}: {error}").into())
}

/// The documents, with each list replaced by its items: `kubectl get -o yaml` prints lists.
fn flatten_lists(documents: Vec<Value>) -> Vec<Value> {
    let mut found = vec![];
    for mut document in documents {
        let is_list = document["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
        match document.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) if is_list => found.extend(items),
            _ => found.push(document),
        }
    }
    found
}

fn describe(document: &Value) -> String {
    let text = |value: &Value| sanitize(value.as_str().unwrap_or_default());
    format!("{} {}", text(&document["kind"]), text(&document["metadata"]["name"]))
}

fn parse(text: &str) -> Result<IssuerFile, CliError> {
    let documents = flatten_lists(serde_saphyr::from_multiple(text)?);
    let is_issuer = |document: &&Value| {
        let version = document["apiVersion"].as_str().unwrap_or_default();
        version.starts_with(GROUP) && matches!(document["kind"].as_str(), Some("ClusterTokenIssuer" | "TokenIssuer"))
    };
    let mut issuers = documents.iter().filter(is_issuer);
    let document = issuers.next().ok_or_else(|| {
        let kinds: Vec<String> =
            documents.iter().take(3).map(describe).filter(|kind| !kind.trim().is_empty()).collect();
        let instead = if kinds.is_empty() { String::new() } else { format!(", only {}", kinds.join(", ")) };
        format!("it contains no ClusterTokenIssuer or TokenIssuer of registry-token.dev{instead}")
    })?;
    let others = issuers.map(describe).collect();
    let kind = document["kind"].as_str().unwrap_or_default().to_owned();
    let metadata = &document["metadata"];
    if metadata["name"].is_null() {
        return Err("metadata.name is missing".into());
    }
    let name: ObjectName = parse_field("metadata.name", &metadata["name"])?;
    let namespace: Option<NamespaceName> =
        if kind == "TokenIssuer" { parse_field("metadata.namespace", &metadata["namespace"])? } else { None };
    let spec: IssuerSpec = parse_field("spec", &document["spec"])?;
    let mut known = serde_json::to_value(&spec)?;
    let allowed = &document["spec"]["allowedNamespaces"];
    if kind == "ClusterTokenIssuer" && !allowed.is_null() {
        known["allowedNamespaces"] = json!(parse_field::<AllowedNamespaces>("spec.allowedNamespaces", allowed)?);
    }
    let mut unknown = vec![];
    unknown_fields("spec", &document["spec"], &known, &mut unknown);
    Ok(IssuerFile { kind, name, namespace, spec, unknown_fields: unknown, other_issuers: others })
}

/// Parses a part; an error names the field.
fn parse_field<T: DeserializeOwned>(at: &str, value: &Value) -> Result<T, CliError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { at.to_owned() } else { format!("{at}.{path}") };
        format!("{field}: {}", error.inner()).into()
    })
}

/// Collects fields that are given but unknown.
fn unknown_fields(at: &str, given: &Value, known: &Value, unknown: &mut Vec<String>) {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
                let field = format!("{at}.{name}");
                match known.get(name) {
                    Some(known) => unknown_fields(&field, value, known, unknown),
                    None => unknown.push(field),
                }
            }
        }
        (Value::Array(given), Value::Array(known)) => {
            for (number, (given, known)) in given.iter().zip(known).enumerate() {
                unknown_fields(&format!("{at}[{number}]"), given, known, unknown);
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
        assert!(file.unknown_fields.is_empty(), "{:?}", file.unknown_fields);
    }

    #[test]
    fn an_issuer_is_found_in_a_list_as_kubectl_prints_it() {
        let issuer = GOOD.split("---\n").nth(1).expect("the issuer");
        let item = issuer.lines().filter(|line| !line.is_empty());
        let lines = item.enumerate().map(|(number, line)| [if number == 0 { "- " } else { "  " }, line, "\n"]);
        let item: String = lines.flatten().collect();
        for kind in ["List", "TokenIssuerList"] {
            let list = format!(
                "apiVersion: v1\nkind: {kind}\nitems:\n- kind: Secret\n{item}{}",
                item.replace("name: mine", "name: second")
            );
            let file = parse(&list).expect(&list);
            assert_eq!(
                (file.name.as_str(), file.other_issuers.as_slice()),
                ("mine", &["TokenIssuer second".to_owned()][..])
            );
            assert!(file.unknown_fields.is_empty(), "{:?}", file.unknown_fields);
        }
        let error =
            parse("{kind: List, items: [{kind: Pod, metadata: {name: p}}]}").expect_err("no issuer").to_string();
        assert!(error.contains("no ClusterTokenIssuer") && error.contains("only Pod p"), "{error}");
    }

    #[test]
    fn a_field_that_does_not_exist_is_named() {
        let text = GOOD
            .replace("request: {", "requests: {}, request: {form: Auto, ")
            .replace("from: Desc", "source: x, from: Desc");
        let unknown = parse(&text).expect("an issuer").unknown_fields;
        assert_eq!(unknown, ["spec.thinkwise.tasks.request.parameters[0].source", "spec.thinkwise.tasks.requests"]);
        let allowed = GOOD.replace("  type: Th", "  allowedNamespaces: {from: All, selectr: {}}\n  type: Th");
        assert_eq!(
            parse(&allowed).expect("an issuer").unknown_fields,
            ["spec.allowedNamespaces"],
            "a namespaced one has none"
        );
        let cluster = allowed.replace("TokenIssuer", "ClusterTokenIssuer");
        assert_eq!(parse(&cluster).expect("an issuer").unknown_fields, ["spec.allowedNamespaces.selectr"]);
    }

    #[test]
    fn an_invalid_issuer_is_rejected_with_its_field() {
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
