//! Logging in to a portal from the command line. A secret is never an argument, which everybody on the
//! machine could read: it comes from a file or from the environment.

use crate::portal::thinkwise::Credentials;
use crate::run::Failure;
use clap::Args;
use secrecy::SecretString;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// How to log in to a portal.
#[derive(Debug, Args)]
pub struct Access {
    /// User for HTTP Basic.
    #[arg(long, env = "PORTAL_USERNAME", conflicts_with = "client_id")]
    pub username: Option<String>,

    /// File with the user's password; the environment variable `PORTAL_PASSWORD` unless given.
    #[arg(long, requires = "username")]
    pub password_file: Option<PathBuf>,

    /// Id of a client with `OAuth2` client credentials.
    #[arg(long, env = "PORTAL_CLIENT_ID")]
    pub client_id: Option<String>,

    /// File with the client's secret; the environment variable `PORTAL_CLIENT_SECRET` unless given.
    #[arg(long, requires = "client_id")]
    pub client_secret_file: Option<PathBuf>,

    /// File with the CA's certificates in PEM; the system's roots unless given.
    #[arg(long)]
    pub ca_file: Option<PathBuf>,
}

impl Access {
    /// The credentials, where a user or a client is named.
    ///
    /// # Errors
    /// When there is no secret to them; the text says where it is expected.
    pub fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        if let Some(username) = self.username.clone() {
            let password = secret(self.password_file.as_deref(), "--password-file", "PORTAL_PASSWORD")?;
            return Ok(Some(Credentials::Basic { username, password }));
        }
        let Some(client_id) = self.client_id.clone() else { return Ok(None) };
        let client_secret = secret(self.client_secret_file.as_deref(), "--client-secret-file", "PORTAL_CLIENT_SECRET")?;
        Ok(Some(Credentials::ClientCredentials { client_id, client_secret }))
    }

    /// The CA's certificates, where a file is given.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn ca_pem(&self) -> Result<Option<String>, Failure> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|error| format!("--ca-file {}: {error}", path.display()))
        };
        Ok(self.ca_file.as_ref().map(read).transpose()?)
    }
}

fn secret(file: Option<&Path>, flag: &str, variable: &str) -> Result<SecretString, Failure> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path).map_err(|error| format!("{flag} {}: {error}", path.display()))?,
        None => std::env::var(variable)
            .map_err(|_| format!("the secret is missing: give {flag}, or the environment variable {variable}"))?,
    };
    let text = Zeroizing::new(text);
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err(format!("the secret is empty: check {flag} or {variable}").into());
    }
    Ok(SecretString::from(secret))
}
