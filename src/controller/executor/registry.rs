//! The registry: may the token log in?

use super::{Executor, checksum};
use crate::api::{Reason, TOKEN_ID_ANNOTATION};
use crate::controller::issuer::cache::ConnectedIssuer;
use crate::domain::model::dockerconfig;
use crate::domain::model::dockerconfig::DATA_KEY;
use crate::domain::protocol::{Named, RegistryProblem, Response, Verdict};
use crate::registry::{self, RegistryLogin};
use secrecy::SecretString;

/// A login in a Secret.
struct StoredCredentials {
    /// The id of its token, as it is noted.
    id: Option<String>,
    username: String,
    password: SecretString,
}

impl Executor<'_> {
    /// Logs in with the token in hand, or else with what the Secret holds.
    pub(crate) async fn verify_login(&self) -> Response {
        let Some(issuer) = self.snapshot.issuer.clone() else { return Response::IssuerChanged };
        if !issuer.info.checks_login() {
            return Response::Login(Verdict::NotChecked);
        }
        Response::Login(match &self.uncommitted {
            Some(token) => self.check_all_registries(&issuer, &token.username, &token.secret).await,
            None => match self.stored_credentials().await {
                Ok(held) => self.check_all_registries(&issuer, &held.username, &held.password).await,
                Err(verdict) => verdict,
            },
        })
    }

    /// Whether the registries let this token in, which the Secret is to hold.
    pub async fn verify_stored_login(&self, token: &Named) -> Verdict {
        match (&self.snapshot.issuer, self.stored_credentials().await) {
            (Some(issuer), Ok(held)) if held.id.as_ref() == Some(&token.id) && held.username == token.username => {
                self.check_all_registries(issuer, &held.username, &held.password).await
            }
            (_, Err(verdict)) => verdict,
            _ => Verdict::NotChecked,
        }
    }

    /// The login that the Secret holds, as the operator wrote it: what somebody else put there says nothing of our
    /// token.
    async fn stored_credentials(&self) -> Result<StoredCredentials, Verdict> {
        let found = self.get_secret().await.map_err(|error| Verdict::Unknown(error.to_string().into()))?;
        let (meta, data) = found.map(|secret| (secret.metadata, secret.data)).unwrap_or_default();
        let content = data.and_then(|mut data| data.remove(DATA_KEY)).ok_or(Verdict::NotChecked)?;
        if !checksum::verify(&self.snapshot.uid(), &meta, &content.0) {
            return Err(Verdict::NotChecked);
        }
        let login = dockerconfig::parse_login(&content.0).ok_or(Verdict::NotChecked)?;
        let id = meta.annotations.and_then(|mut all| all.remove(TOKEN_ID_ANNOTATION));
        Ok(StoredCredentials { id, username: login.username, password: SecretString::from(login.password.as_str()) })
    }

    /// At every registry of the issuer: one that refuses decides.
    async fn check_all_registries(&self, issuer: &ConnectedIssuer, username: &str, secret: &SecretString) -> Verdict {
        let mut verdict = Verdict::Accepted;
        for registry in &issuer.registries {
            let ca_pem = registry.ca_pem.as_deref();
            let (registry, egress) = (registry.host.as_str(), &registry.egress);
            let login = RegistryLogin { registry, username, secret, ca_pem, plain_http: false, egress };
            match self.ctx.registry.check(login).await {
                registry::Verdict::Accepted => {}
                registry::Verdict::Rejected { message } => return Verdict::Rejected(message),
                registry::Verdict::Unknown { reason, message, retry_after } => {
                    let problem = RegistryProblem { reason: registry_reason(reason), message, retry_after };
                    // The one that asks for the longest wait is the one that holds the object up.
                    let known = if let Verdict::Unknown(known) = &verdict { Some(known.retry_after) } else { None };
                    if known.is_none_or(|known| known < problem.retry_after) {
                        verdict = Verdict::Unknown(problem);
                    }
                }
            }
        }
        verdict
    }
}

/// The registry's own reason, where that says more than that nobody could ask it.
const fn registry_reason(reason: Reason) -> Reason {
    match reason {
        Reason::Unreachable | Reason::TimedOut | Reason::InvalidResponse => Reason::RegistryUnavailable,
        own => own,
    }
}
