//! The client against every profile of the fake portal, including decoys.

use super::fixtures::{marker, token_ref, token_row};
use crate::fake_portal::{FakePortal, FixedPart, Operation, Profile, Server};
use registry_token_operator::api::{Limits, Thinkwise};
use registry_token_operator::domain::model::token::{RowQuery, TokenRow};
use registry_token_operator::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use registry_token_operator::portal::{Credentials, EgressPolicy, Portal as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;
use std::time::Duration;
use tokio::process::Command;

const METADATA_TTL: Duration = Duration::from_mins(10);

fn credentials(given: &Value) -> Credentials {
    let text = |key: &str| given[key].as_str().map(str::to_owned);
    let secret = |key: &str| SecretString::from(text(key).expect("a secret"));
    match (text("username"), text("client_id")) {
        (Some(username), _) => Credentials::Basic { username, password: secret("password") },
        (None, id) => {
            Credentials::ClientCredentials { client_id: id.expect("a client"), client_secret: secret("client_secret") }
        }
    }
}

/// What must not be shown: secrets of the portal's logins, and of all tokens.
pub fn secrets(profile: &Profile, fake: &FakePortal) -> Vec<String> {
    let given = profile.credentials(fake);
    let own = ["password", "client_secret"].into_iter().filter_map(|key| given[key].as_str());
    own.map(str::to_owned).chain(fake.ledger().secrets()).collect()
}

fn client(profile: &Profile, fake: &FakePortal, spec: Value) -> ThinkwisePortal {
    client_with(profile, fake, spec, Limits::default())
}

/// A client of the fake portal with this profile.
pub fn client_with(profile: &Profile, fake: &FakePortal, spec: Value, limits: Limits) -> ThinkwisePortal {
    let spec: Thinkwise = serde_json::from_value(spec).expect("a spec");
    let ca_pem = spec.tls.clone().and_then(|tls| tls.ca_bundle);
    let credentials = credentials(&profile.credentials(fake));
    ThinkwisePortal::new(ThinkwiseSettings {
        spec,
        limits,
        credentials,
        ca_pem,
        metadata_ttl: METADATA_TTL,
        egress: EgressPolicy::default(),
    })
    .expect("a portal")
}

/// Five tokens at once, each with its own description, all edited and all revoked.
async fn run_lifecycle(fake: &FakePortal, portal: &ThinkwisePortal, name: &str) {
    let is_listed =
        portal.resolve().await.unwrap_or_else(|failure| panic!("{name}: {failure}")).capabilities.list_visible();
    let mut tokens = vec![];
    for number in 0..5 {
        let marker = marker(number);
        let issued =
            portal.request(&format!("It's {marker}")).await.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let id = match issued.id {
            Some(id) => id,
            None => portal.list(&RowQuery::WithMarker(marker)).await.expect(name)[0].token.id.clone(),
        };
        assert!(fake.ledger().secrets().iter().any(|known| known == issued.secret.expose_secret()), "{name}");
        tokens.push((id, issued.username));
    }
    if is_listed {
        let mut ids = BTreeSet::new();
        portal.scan(&mut |row: TokenRow| ids.extend([row.token.id])).await.expect(name);
        assert_eq!(ids, tokens.iter().map(|(id, _)| id.clone()).collect(), "{name}");
    }
    for (id, username) in &tokens {
        let token = token_ref(id, username);
        portal.edit_description(&token, "New").await.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        if is_listed {
            let rows = portal.list(&RowQuery::WithId(id.to_owned())).await.expect(name);
            assert_eq!(rows, [token_row(id, username, "New")], "{name}");
        }
        portal.revoke(&token).await.unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }
    let ledger = fake.ledger();
    assert!(ledger.live().is_empty() && ledger.open_flows() == 0, "{name}");
    assert_eq!((ledger.applied(Operation::Request), ledger.all().len()), (5, 5), "{name}");
}

/// With every name pinned, and with as few as possible.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_requested_edited_and_revoked_in_every_profile() {
    assert!(Profile::all().len() > 10);
    for profile in Profile::all() {
        for (what, spec) in [("minimal", Profile::minimal as fn(&_, &_) -> _), ("pinned", Profile::pinned)] {
            let fake = FakePortal::start(profile.config()).await;
            let portal = client(profile, &fake, spec(profile, &fake));
            run_lifecycle(&fake, &portal, &format!("{}, {what}", profile.name)).await;
        }
    }
}

async fn run(arguments: &[&str], login: &Value) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_registry-token-operator"));
    command.args(arguments).env_clear();
    for (key, value) in login.as_object().expect("credentials") {
        command.env(format!("PORTAL_{}", key.to_uppercase()), value.as_str().expect("a text"));
    }
    command.output().await.expect("runs")
}

/// What an admin has to know because it is not in `$metadata`: `--value klant_id=42`.
fn values(profile: &Profile) -> Vec<String> {
    let config = profile.config();
    let forms = [&config.forms.request, &config.forms.edit, &config.forms.revoke];
    let row = if config.forms.request.form.is_bound() { &config.forms.bound_to.key[..] } else { &[] };
    let all = forms.into_iter().flat_map(|form| &form.fixed).chain(&config.key.fixed).chain(row);
    let all: BTreeSet<String> = all.map(|part: &FixedPart| format!("{}={}", part.column, part.text())).collect();
    all.into_iter().flat_map(|value| ["--value".to_owned(), value]).collect()
}

async fn discover(profile: &Profile, fake: &FakePortal, folder: &Path) -> Output {
    let ca = folder.join("ca.crt");
    std::fs::write(&ca, fake.ca_pem()).expect("written");
    let (url, values) = (fake.portal_url(), values(profile));
    let mut arguments = vec!["discover", "--url", &url, "--ca-file", ca.to_str().expect("UTF-8")];
    arguments.extend(values.iter().map(String::as_str));
    run(&arguments, &profile.credentials(fake)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn discover_finds_an_issuer_for_every_profile_that_passes_check_and_works() {
    for profile in Profile::all() {
        let fake = FakePortal::start(profile.config()).await;
        let (name, folder) = (profile.name, tempfile::tempdir().expect("a folder"));
        let found = discover(profile, &fake, folder.path()).await;
        assert!(found.status.success(), "{name}: {}", String::from_utf8_lossy(&found.stderr));
        // To keep all of them for inspection: `KEEP_DISCOVERED=/tmp/discovered`.
        if let Some(kept) = std::env::var_os("KEEP_DISCOVERED") {
            let all = [&found.stderr[..], b"\n", &found.stdout].concat();
            std::fs::write(Path::new(&kept).join(format!("{name}.txt")), all).expect("kept");
        }
        let file = folder.path().join("issuer.yaml");
        std::fs::write(&file, &found.stdout).expect("written");
        let login = profile.credentials(&fake);
        let checked = run(&["check", "-f", file.to_str().expect("UTF-8")], &login).await;
        assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stdout));
        let changing = |method: &str| matches!(method, "POST" | "PATCH" | "PUT" | "DELETE");
        for request in fake.ledger().requests_since(0) {
            let logs_in = matches!(request.operation, Operation::TokenEndpoint | Operation::Auth);
            assert!(
                request.server == Server::Portal && (logs_in || !changing(&request.method)),
                "{name}: {}",
                request.path
            );
        }
        let issuer: Value = serde_saphyr::from_slice(&found.stdout).expect("YAML");
        let portal = client(profile, &fake, issuer["spec"]["thinkwise"].clone());
        run_lifecycle(&fake, &portal, &format!("{name}, discovered")).await;
    }
}
