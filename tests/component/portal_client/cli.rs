//! `discover` and `check` as users run them.

use super::minimal_portal::{
    CLIENT_SECRET, MinimalPortal, PASSWORD, Shape, ShapeForm, ShapeKey, ShapeList, TOKEN_SECRET, USER,
};
use crate::commands::CommandOutput;
use serde_json::Value;

async fn run(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> CommandOutput {
    let ended = crate::commands::run(arguments, environment, input).await;
    ended.assert_silent_about(&[PASSWORD, CLIENT_SECRET, TOKEN_SECRET, "hush"]);
    ended
}

const LOGIN: [(&str, &str); 2] = [("PORTAL_USERNAME", USER), ("PORTAL_PASSWORD", PASSWORD)];

async fn discover(fake: &MinimalPortal, more: &[&str]) -> CommandOutput {
    let arguments = [&["discover", "--url", &fake.url, "--allow-insecure-http"], more].concat();
    run(&arguments, &LOGIN, "").await
}

async fn check(issuer: &str) -> CommandOutput {
    run(&["check", "-f", "-"], &LOGIN, issuer).await
}

fn parse(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

/// Checks that the command only read.
fn assert_unchanged(fake: &MinimalPortal) {
    let ledger = fake.ledger();
    assert!(ledger.paths.iter().all(|path| path.starts_with("GET ")), "{:?}", ledger.paths);
    assert_eq!(ledger.issued, 0);
}

#[tokio::test]
async fn discover_and_check_find_a_working_issuer_from_an_address() {
    for form in [ShapeForm::Unbound, ShapeForm::Bound, ShapeForm::Staged] {
        for key in [ShapeKey::Integer, ShapeKey::Guid, ShapeKey::Text] {
            let fake = MinimalPortal::with_shape(Shape { form, key, ..Shape::default() }).await;
            let found = discover(&fake, &[]).await;
            assert_eq!(found.code, 0, "{}", found.err);
            let issuer = parse(&found.out);
            assert_eq!(issuer["kind"], "ClusterTokenIssuer");
            let thinkwise = &issuer["spec"]["thinkwise"];
            assert_eq!(thinkwise["table"]["name"], "container_token");
            assert_eq!(thinkwise["table"]["descriptionMaxLength"], 200);
            assert_eq!(thinkwise["tasks"]["request"]["outputs"]["secret"], "secret");
            // The only row that the operator's user sees is used.
            let row = &thinkwise["tasks"]["request"]["boundTo"];
            assert_eq!(row["key"][0]["value"].as_str(), (form != ShapeForm::Unbound).then_some("42"), "{row}");
            for words in ["its name means token", "it returns a secret (secret)", "kubectl apply -f issuer.yaml"] {
                assert!(found.err.contains(words), "{}", found.err);
            }
            let checked = check(&found.out).await;
            assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
            assert!(checked.out.contains("the issuer matches the portal"), "{}", checked.out);
            assert_unchanged(&fake);
        }
    }
}

#[tokio::test]
async fn an_ambiguous_choice_is_left_to_the_user_and_read_from_a_flag() {
    let fake = MinimalPortal::with_shape(Shape::default()).await;
    let second = r#"<Action Name="delete_token"><Parameter Name="token_id" Type="Edm.Int32"/></Action></Schema>"#;
    let document = super::minimal_portal::metadata(&Shape::default()).replace("</Schema>", second);
    fake.ledger().metadata = Some(document);
    let found = discover(&fake, &[]).await;
    assert_eq!(found.code, 1);
    assert!(found.err.contains("delete_token or revoke_token"), "{}", found.err);
    assert!(found.out.starts_with("# To be set: spec.thinkwise.tasks.revoke.name: "), "{}", found.out);
    let tasks = &parse(&found.out)["spec"]["thinkwise"]["tasks"];
    assert_eq!((&tasks["request"]["name"], &tasks["revoke"]), (&"request_token".into(), &Value::Null), "what is clear");
    let found = discover(&fake, &["--revoke", "revoke_token"]).await;
    assert_eq!((found.code, found.out.starts_with("apiVersion")), (0, true), "{}", found.err);
    assert_unchanged(&fake);
}

#[tokio::test]
async fn a_row_among_several_needs_a_flag() {
    let fake = MinimalPortal::with_shape(Shape { form: ShapeForm::Bound, ..Shape::default() }).await;
    fake.ledger().customers = vec![41, 42];
    let found = discover(&fake, &[]).await;
    assert_eq!(found.code, 1);
    assert!(found.err.contains("--value klant_id=42"), "{}", found.err);
    let found = discover(&fake, &["--value", "klant_id=42"]).await;
    assert_eq!(found.code, 0, "{}", found.err);
    assert_eq!(parse(&found.out)["spec"]["thinkwise"]["tasks"]["request"]["boundTo"]["key"][0]["value"], "42");
    let other = found.out.replace("\"42\"", "\"43\"").replace("'42'", "'43'");
    let checked = check(&other).await;
    assert_eq!(checked.code, 1);
    assert!(
        checked.out.contains("PROBLEM spec.thinkwise.tasks.request.boundTo: klant shows the portal user no row"),
        "{}",
        checked.out
    );
    assert_unchanged(&fake);
}

#[tokio::test]
async fn each_problem_of_an_issuer_is_reported_with_its_field() {
    let fake = MinimalPortal::with_shape(Shape::default()).await;
    let good = discover(&fake, &[]).await.out;
    for (from, to, says) in [
        ("name: container_token", "name: container_tokens", "spec.thinkwise.table.name: "),
        ("name: request_token", "name: request_tokn", "nearest: request_token"),
        ("secret: secret", "secret: geheim", "spec.thinkwise.tasks.request.outputs.secret: "),
        ("application: ", "aplication: ", "spec.thinkwise.aplication: unknown field"),
    ] {
        let broken = good.replacen(from, to, 1);
        assert_ne!(broken, good, "{good}");
        let checked = check(&broken).await;
        assert_eq!(checked.code, 1, "{}", checked.out);
        assert!(checked.out.contains("PROBLEM ") && checked.out.contains(says), "{}", checked.out);
        assert!(checked.err.contains("1 problem"), "{}", checked.err);
    }
    assert_unchanged(&fake);
}

#[tokio::test]
async fn messages_name_the_flags_that_were_used() {
    let fake = MinimalPortal::with_shape(Shape::default()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("password.txt");
    let file = path.to_str().expect("UTF-8");
    let discover = async |url: &str, bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        let arguments =
            ["discover", "--url", url, "--allow-insecure-http", "--username", USER, "--password-file", file];
        run(&arguments, &[], "").await
    };
    let utf16: Vec<u8> = PASSWORD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, says) in [
        (&b"wrong"[..], "(HTTP 401): check --username and --password-file"),
        (&utf16, "password.txt is UTF-16 text"),
        (b"\xef\xbb\xbfwrong", "password.txt begins with a byte-order mark"),
    ] {
        let ended = discover(&fake.url, bytes).await;
        assert_eq!(ended.code, 1, "{}", ended.err);
        assert!(ended.err.contains(says) && ended.err.contains(file), "{}", ended.err);
        assert!(!ended.err.contains("Secret") && !ended.err.contains("spec."), "{}", ended.err);
    }
    // No server listens there.
    let ended = discover("http://127.0.0.1:9", PASSWORD.as_bytes()).await;
    assert!(ended.err.contains("127.0.0.1:9 ") && ended.err.contains("check --url, "), "{}", ended.err);
    assert!(!ended.err.contains("spec."), "{}", ended.err);

    let issuer = super::cli::discover(&fake, &[]).await.out;
    let wrong = [("PORTAL_USERNAME", USER), ("PORTAL_PASSWORD", "wrong")];
    let checked = run(&["check", "-f", "-"], &wrong, &issuer).await;
    let says = "check --username and the environment variable PORTAL_PASSWORD";
    assert!(checked.out.contains(says) && !checked.out.contains("Secret"), "{}", checked.out);
    assert_unchanged(&fake);
}

#[tokio::test]
async fn a_hidden_list_is_reported_with_its_consequences() {
    let fake = MinimalPortal::with_shape(Shape { list: ShapeList::Forbidden, ..Shape::default() }).await;
    let found = discover(&fake, &[]).await;
    assert_eq!(found.code, 0, "{}", found.err);
    for ended in [&found.err, &check(&found.out).await.out] {
        assert!(ended.contains("cannot be read") && ended.contains("no audits"), "{ended}");
    }
}

#[tokio::test]
async fn client_credentials_come_from_a_file_and_the_manifest_names_a_secret() {
    let fake = MinimalPortal::with_shape(Shape::default()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{CLIENT_SECRET}\n")).expect("written");
    let file = file.to_str().expect("UTF-8");
    let login = ["--client-id", "operator", "--client-secret-file", file];
    let address =
        ["discover", "--url", &fake.url, "--allow-insecure-http", "--secret-name", "login", "--kind", "token-issuer"];
    let found = run(&[&address[..], &login[..], &["--namespace", "team-a"]].concat(), &[], "").await;
    assert_eq!(found.code, 0, "{}", found.err);
    let issuer = parse(&found.out);
    assert_eq!((&issuer["kind"], &issuer["metadata"]["namespace"]), (&"TokenIssuer".into(), &"team-a".into()));
    let auth = &issuer["spec"]["thinkwise"]["auth"];
    assert_eq!(auth["oauth2ClientCredentials"]["secretRef"]["name"], "login");
    let checked = run(&[&["check", "-f", "-"], &login[..]].concat(), &[], &found.out).await;
    assert_eq!(checked.code, 0, "{}", checked.err);
    let other = check(&found.out).await;
    assert!(other.code == 1 && other.err.contains("use --client-id"), "{}", other.err);
}

#[tokio::test]
async fn bad_input_is_reported_with_advice() {
    let fake = MinimalPortal::with_shape(Shape::default()).await;
    let url = fake.url.clone();
    let with = |more: &[&str]| {
        [&["discover", "--url", &url], more].concat().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for (arguments, environment, says) in [
        (with(&["--allow-insecure-http"]), &[][..], "--username"),
        (with(&["--allow-insecure-http"]), &LOGIN[..1], "PORTAL_PASSWORD"),
        (with(&["--allow-insecure-http", "--password-file", "/nowhere"]), &LOGIN[..1], "/nowhere"),
        (with(&[]), &LOGIN[..], "is not https"),
        (with(&["--allow-insecure-http", "--value", "klant"]), &LOGIN[..], "klant_id=42"),
        (with(&["--allow-insecure-http", "--ca-file", "/nowhere"]), &LOGIN[..], "/nowhere"),
        (with(&["--allow-insecure-http", "--application", "other"]), &LOGIN[..], "application other"),
        (with(&["--allow-insecure-http"]), &[LOGIN[0], ("PORTAL_PASSWORD", "wrong")][..], "rejected the credentials"),
        (vec!["check".into(), "-f".into(), "/nowhere".into()], &LOGIN[..], "/nowhere"),
        (vec!["check".into(), "-f".into(), "-".into()], &LOGIN[..], "no ClusterTokenIssuer or TokenIssuer"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ended = run(&arguments, environment, "a: b").await;
        assert!(ended.code == 1 && ended.err.contains(says), "{arguments:?}: {}", ended.err);
        assert_eq!(ended.out, "", "{arguments:?}");
    }
    assert_unchanged(&fake);
}
