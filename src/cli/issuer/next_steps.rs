//! What to do with a printed issuer.

use crate::api::CREDENTIALS_LABEL;
use crate::cli::discover_args::{DiscoverArgs, IssuerKindArg};

/// Prints the commands that create the Secret, check the issuer and apply it.
pub(crate) fn print_next_steps(arguments: &DiscoverArgs) {
    let credentials = &arguments.credentials;
    let (user, file, id_key, secret_key) = match (&credentials.username, &credentials.client_id) {
        (Some(user), _) => (Some(user), &credentials.password_file, "username", "password"),
        (None, Some(id)) => (Some(id), &credentials.client_secret_file, "client_id", "client_secret"),
        (None, None) => (None, &credentials.token_file, "", "token"),
    };
    let id = user.map(|user| format!(" --from-literal={id_key}={}", shell_quote(user))).unwrap_or_default();
    let file = file.as_ref().map_or_else(|| "FILE".to_owned(), |path| shell_quote(&path.display().to_string()));
    let (namespace, secret) = (shell_quote(arguments.namespace.as_str()), shell_quote(arguments.secret_name.as_str()));
    let place = match arguments.kind {
        IssuerKindArg::ClusterTokenIssuer => "the operator's namespace",
        IssuerKindArg::TokenIssuer => "the issuer's namespace",
    };
    eprintln!("\nNext: save the issuer as issuer.yaml, put the credentials into a Secret in {place}, check, apply");
    eprintln!("  kubectl -n {namespace} create secret generic {secret}{id} --from-file={secret_key}={file}");
    if arguments.kind == IssuerKindArg::TokenIssuer {
        eprintln!("  kubectl -n {namespace} label secret {secret} {CREDENTIALS_LABEL}=true");
    }
    eprintln!("  registry-token-operator check -f issuer.yaml");
    eprintln!("  kubectl apply -f issuer.yaml");
}

/// Quotes a word for a shell. It may contain values from the portal, so nothing in it may be interpreted.
pub(crate) fn shell_quote(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@,+".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_is_not_interpreted_by_a_shell() {
        for (text, word) in [
            ("klant_id=42", "klant_id=42"),
            ("robot@example.com", "robot@example.com"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(rm -rf /)", "'$(rm -rf /)'"),
            ("it's", r"'it'\''s'"),
            ("a\nb", "'a?b'"),
        ] {
            assert_eq!(shell_quote(text), word);
        }
    }
}
