//! Portal credentials on the command line. A secret is never an argument, because every user of the machine can read
//! arguments: it comes from a file or from the environment.

use super::error::CliError;
use crate::plain_text;
use crate::portal::Credentials;
use clap::Args;
use secrecy::SecretString;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The access token, if no file is given.
const TOKEN_VARIABLE: &str = "PORTAL_TOKEN";

/// Portal credentials.
#[derive(Debug, Args)]
pub struct CredentialArgs {
    /// User for HTTP Basic.
    #[arg(long, env = "PORTAL_USERNAME", conflicts_with = "client_id")]
    pub username: Option<String>,

    /// File with the user's password [default: the environment variable `PORTAL_PASSWORD`].
    #[arg(long, requires = "username")]
    pub password_file: Option<PathBuf>,

    /// Client id for `OAuth2` client credentials.
    #[arg(long, env = "PORTAL_CLIENT_ID")]
    pub client_id: Option<String>,

    /// File with the client secret [default: the environment variable `PORTAL_CLIENT_SECRET`].
    #[arg(long, requires = "client_id")]
    pub client_secret_file: Option<PathBuf>,

    /// File with an access token, for GitLab [default: the environment variable `PORTAL_TOKEN`].
    #[arg(long, conflicts_with_all = ["username", "client_id"])]
    pub token_file: Option<PathBuf>,

    /// File with CA certificates in PEM [default: the system's roots].
    #[arg(long)]
    pub ca_file: Option<PathBuf>,
}

impl CredentialArgs {
    /// The credentials, if a user, a client or an access token is given.
    ///
    /// # Errors
    /// If the secret is missing; the error says where it is expected.
    pub fn read(&self) -> Result<Option<Credentials>, CliError> {
        if let Some(username) = self.username.clone() {
            let password = read_secret(self.password_file.as_deref(), "--password-file", "PORTAL_PASSWORD")?;
            return Ok(Some(Credentials::Basic { username, password }));
        }
        let Some(client_id) = self.client_id.clone() else {
            let token = || read_secret(self.token_file.as_deref(), "--token-file", TOKEN_VARIABLE);
            return self
                .has_token()
                .then(token)
                .transpose()
                .map(|token| token.map(|token| Credentials::Token { token }));
        };
        let client_secret =
            read_secret(self.client_secret_file.as_deref(), "--client-secret-file", "PORTAL_CLIENT_SECRET")?;
        Ok(Some(Credentials::ClientCredentials { client_id, client_secret }))
    }

    /// The CA certificates, if a file is given.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read_ca(&self) -> Result<Option<String>, CliError> {
        let Some(path) = &self.ca_file else { return Ok(None) };
        let bytes = std::fs::read(path).map_err(|error| format!("--ca-file {}: {error}", path.display()))?;
        let text = plain_text::document(&bytes).map_err(|problem| format!("--ca-file {} {problem}", path.display()))?;
        Ok(Some(text.to_owned()))
    }

    /// Whether a user, a client or an access token is given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.username.is_some() || self.client_id.is_some() || self.has_token()
    }

    fn has_token(&self) -> bool {
        self.token_file.is_some() || std::env::var_os(TOKEN_VARIABLE).is_some()
    }

    /// The source of the credentials, for messages.
    #[must_use]
    pub fn source(&self) -> String {
        if self.username.is_none() && self.client_id.is_none() {
            return match &self.token_file {
                Some(path) => format!("--token-file {}", path.display()),
                None => format!("the environment variable {TOKEN_VARIABLE}"),
            };
        }
        let (id, file, flag, variable) = if self.username.is_some() {
            ("--username", &self.password_file, "--password-file", "PORTAL_PASSWORD")
        } else {
            ("--client-id", &self.client_secret_file, "--client-secret-file", "PORTAL_CLIENT_SECRET")
        };
        match file {
            Some(path) => format!("{id} and {flag} {}", path.display()),
            None => format!("{id} and the environment variable {variable}"),
        }
    }
}

/// Replaces the spec fields that a message names by the corresponding flags.
#[must_use]
pub fn with_flag_names(message: &str) -> String {
    let fields = [
        ("spec.thinkwise.auth.oauth2ClientCredentials.tokenURL", "--token-url"),
        ("tokenURL", "--token-url"),
        ("spec.thinkwise.application", "--application"),
        ("spec.thinkwise.table", "--table"),
        ("spec.gitea.user", "--user"),
        ("spec.harbor.project, spec.harbor.projects", "--project"),
        ("spec.harbor.projects", "--project"),
        ("spec.harbor.project", "--project"),
        ("would be sent unencrypted", "would be sent unencrypted; pass --allow-insecure-http to allow it"),
    ];
    let text = fields.into_iter().fold(message.to_owned(), |text, (field, flag)| text.replace(field, flag));
    ["thinkwise", "gitea", "harbor", "gitlab"].into_iter().fold(text, |text, portal| {
        text.replace(&format!("spec.{portal}.url"), "--url").replace(&format!("spec.{portal}.tls"), "--ca-file")
    })
}

fn read_secret(file: Option<&Path>, flag: &str, variable: &str) -> Result<SecretString, CliError> {
    let (source, bytes) = if let Some(path) = file {
        let bytes = std::fs::read(path).map_err(|error| format!("{flag} {}: {error}", path.display()))?;
        (format!("{flag} {}", path.display()), bytes)
    } else {
        let value = std::env::var_os(variable)
            .ok_or_else(|| format!("the secret is missing: set {flag} or the environment variable {variable}"))?;
        (format!("the environment variable {variable}"), value.into_encoded_bytes())
    };
    let bytes = Zeroizing::new(bytes);
    let secret = plain_text::line(&bytes).map_err(|problem| format!("{source} {problem}"))?;
    Ok(SecretString::from(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential_args(bytes: &[u8]) -> (tempfile::TempDir, CredentialArgs) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret.txt");
        std::fs::write(&path, bytes).expect("written");
        let arguments = CredentialArgs {
            username: Some("k8s".to_owned()),
            password_file: Some(path.clone()),
            client_id: None,
            client_secret_file: None,
            token_file: None,
            ca_file: Some(path),
        };
        (folder, arguments)
    }

    #[test]
    fn a_file_that_is_not_text_is_described_in_the_error() {
        for (bytes, says) in [
            (&b"\xff\xfeh\0u\0s\0h\0"[..], "secret.txt is UTF-16 text"),
            (b"\xef\xbb\xbfhush", "secret.txt begins with a byte-order mark"),
            (b"h\xfcsh", "secret.txt is not UTF-8 text"),
            (b"hush\nhush", "secret.txt has a line break"),
            (b"\n", "secret.txt is empty"),
        ] {
            let (_folder, arguments) = credential_args(bytes);
            let error = arguments.read().expect_err(says).to_string();
            assert!(error.contains("--password-file") && error.contains(says), "{error}");
            assert!(!error.contains("missing") && !error.contains("hush"), "{error}");
        }
        let (_folder, arguments) = credential_args(b"\xff\xfe-\0-\0");
        assert!(arguments.read_ca().expect_err("no PEM").to_string().contains("secret.txt is UTF-16 text"));
    }
}
