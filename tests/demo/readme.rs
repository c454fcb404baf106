//! The README's own YAML, with the demo's addresses in place of the example's.

use crate::fake_portal::FakePortal;
use serde_json::{Value, json};

/// The manifest after `<!-- demo: NAME -->` in the README.
pub fn manifest(name: &str) -> Result<Value, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).map_err(|error| format!("README.md: {error}"))?;
    let marker = format!("<!-- demo: {name} -->\n```yaml\n");
    let missing = || format!("README.md has no YAML after <!-- demo: {name} -->");
    let block = text.split_once(&marker).and_then(|(_, rest)| rest.split_once("```")).ok_or_else(missing)?.0;
    serde_saphyr::from_str(block).map_err(|error| format!("README.md, {name}: {error}"))
}

/// The Secret, with the credentials that the fake portal accepts.
pub fn portal_secret(portal: &FakePortal) -> Result<Value, String> {
    let mut secret = manifest("portal-secret")?;
    let client = portal.config().clients.first().cloned().ok_or("the portal has no client")?;
    secret["stringData"] = json!({"client_id": client.name, "client_secret": client.secret});
    Ok(secret)
}

/// The issuer, with the fake portal's addresses and CA.
pub fn issuer(portal: &FakePortal) -> Result<Value, String> {
    let mut issuer = manifest("issuer")?;
    let thinkwise = &mut issuer["spec"]["thinkwise"];
    thinkwise["url"] = json!(portal.portal_url());
    thinkwise["tls"] = json!({"caBundle": portal.ca_pem()});
    issuer["spec"]["registries"] = json!([{"host": portal.registry_host(), "tls": {"caBundle": portal.ca_pem()}}]);
    Ok(issuer)
}
