//! `drain --check-only`: lists what cannot be deleted without the operator, and changes nothing.

use super::remaining::{ObjectKind, RemainingObject, list_remaining};
use crate::cli::error::CliError;
use crate::kube_client::scope::WatchScope;
use kube::Client;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::time::timeout;

/// Maximum length of the message. The kubelet keeps the last 2048 bytes of a log as the termination message.
const MAX_LENGTH: usize = 2000;

pub(super) async fn run(client: &Client, scope: &WatchScope, limit: Duration) -> Result<(), CliError> {
    let listed = timeout(limit, list_remaining(client, scope)).await;
    let mut all =
        listed.map_err(|_| "the API server did not respond in time: nothing is known about what is left")??;
    all.retain(RemainingObject::needs_operator);
    if all.is_empty() {
        println!("nothing needs the operator: no RegistryToken and no issuer has its finalizer");
        return Ok(());
    }
    Err(message(&all).into())
}

/// Names as many objects as fit, and says what to do.
fn message(all: &[RemainingObject]) -> String {
    let tokens = all.iter().filter(|one| one.kind == ObjectKind::Token).count();
    let mut text = format!(
        "{tokens} RegistryTokens and {} issuers need the operator, which revokes their tokens. Delete them, or run `registry-token-operator drain`, and uninstall again. See docs/install.md, \"Uninstall with Helm\", for other ways.",
        all.len() - tokens
    );
    for (index, one) in all.iter().enumerate() {
        let line = format!("\n  {}", one.reference());
        let others = format!("\n  and {} more", all.len() - index);
        if text.len() + line.len() + others.len() > MAX_LENGTH {
            text.push_str(&others);
            break;
        }
        let _ = write!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::drain::remaining::parse_page;
    use serde_json::json;

    fn objects(count: usize, name: &str) -> Vec<RemainingObject> {
        let finalizers = ["registry-token.dev/revoke"];
        let item = json!({"metadata": {"namespace": "team-a", "name": name, "finalizers": finalizers}});
        let items = vec![item; count];
        parse_page(ObjectKind::Token, &json!({"items": items}).to_string()).expect("parsed").0
    }

    #[test]
    fn what_needs_the_operator_is_named_with_what_to_do() {
        let text = message(&objects(2, "pull"));
        assert!(text.starts_with("2 RegistryTokens and 0 issuers need the operator"), "{text}");
        assert!(text.contains("registry-token-operator drain") && text.contains("uninstall again"), "{text}");
        assert_eq!(text.matches("RegistryToken team-a/pull").count(), 2, "{text}");
    }

    #[test]
    fn the_message_fits_into_a_termination_message() {
        let text = message(&objects(5000, &"a".repeat(200)));
        assert!(text.len() <= MAX_LENGTH, "{}", text.len());
        assert!(text.starts_with("5000 RegistryTokens"), "{text}");
        let shown = text.matches("RegistryToken team-a/").count();
        assert!(text.ends_with(&format!("and {} more", 5000 - shown)), "{text}");
    }

    #[test]
    fn an_object_without_the_finalizer_does_not_need_the_operator() {
        let items = json!({"items": [{"metadata": {"name": "unused", "finalizers": ["example.com/other"]}}]});
        let all = parse_page(ObjectKind::ClusterIssuer, &items.to_string()).expect("parsed").0;
        assert!(!all[0].needs_operator());
    }
}
