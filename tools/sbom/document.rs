//! The SPDX document: <https://spdx.github.io/spdx-spec/v2.3>.

use super::Error;
use super::crates::{Crate, Graph, Id};
use serde_json::{Value, json};

pub fn spdx(graph: &Graph, created: jiff::Timestamp) -> Result<Value, Error> {
    let (name, version) = &graph.root;
    let packages: Vec<Value> = graph.crates.iter().map(|(id, one)| package(id, one, *id == graph.root)).collect();
    let mut relationships = vec![relationship("SPDXRef-DOCUMENT", "DESCRIBES", &reference(&graph.root))];
    for (id, one) in &graph.crates {
        relationships
            .extend(one.dependencies.iter().map(|to| relationship(&reference(id), "DEPENDS_ON", &reference(to))));
    }
    // The namespace identifies the document: it depends on all of its content.
    let content = serde_json::to_vec(&(&packages, &relationships, created.to_string()))?;
    let hash = hex(ring::digest::digest(&ring::digest::SHA256, &content).as_ref());
    Ok(json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("{name}-{version}"),
        "documentNamespace": format!("https://registry-token.dev/spdx/{name}-{version}-{hash}"),
        "creationInfo": {
            "created": created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "creators": [format!("Tool: {name}-sbom-{version}")],
        },
        "documentDescribes": [reference(&graph.root)],
        "packages": packages,
        "relationships": relationships,
    }))
}

fn package(id: &Id, one: &Crate, is_root: bool) -> Value {
    let (name, version) = id;
    let license = license(&one.license);
    let mut package = json!({
        "name": name,
        "SPDXID": reference(id),
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": license,
        "copyrightText": "NOASSERTION",
        "supplier": "NOASSERTION",
        "primaryPackagePurpose": if is_root { "APPLICATION" } else { "LIBRARY" },
    });
    if !is_root {
        package["downloadLocation"] = json!(format!("https://static.crates.io/crates/{name}/{version}/download"));
        package["externalRefs"] = json!([{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": format!("pkg:cargo/{name}@{}", version.replace('+', "%2B")),
        }]);
    }
    if let Some(checksum) = &one.checksum {
        package["checksums"] = json!([{"algorithm": "SHA256", "checksumValue": checksum}]);
    }
    package
}

/// An SPDX expression. Older crates separate alternatives by a slash.
fn license(text: &str) -> String {
    if text.is_empty() { "NOASSERTION".to_owned() } else { text.replace(" / ", " OR ").replace('/', " OR ") }
}

fn relationship(from: &str, kind: &str, to: &str) -> Value {
    json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to})
}

/// An identifier has letters, digits, dots and dashes.
fn reference((name, version): &Id) -> String {
    let allowed = |one: char| if one.is_ascii_alphanumeric() || one == '.' { one } else { '-' };
    format!("SPDXRef-Package-{}-{}", name.replace('_', ".."), version).chars().map(allowed).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
