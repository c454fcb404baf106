//! Registry requests: verifies the login of a token.

use super::{Executor, checksum};
use crate::api::{Reason, TOKEN_ID_ANNOTATION};
use crate::controller::state::issuer_cache::{ConnectedIssuer, RegistryEndpoint};
use crate::domain::model::dockerconfig;
use crate::domain::model::dockerconfig::DATA_KEY;
use crate::domain::model::login_result::{LoginResult, RegistryProblem};
use crate::domain::model::token::TokenRef;
use crate::domain::protocol::Response;
use crate::metrics::LoginOutcome;
use crate::registry::RegistryLogin;
use secrecy::SecretString;

/// The login in a Secret.
struct StoredCredentials {
    /// The token id in the Secret's annotation.
    id: Option<String>,
    username: String,
    password: SecretString,
}

impl Executor<'_> {
    /// Verifies the login of the uncommitted token, or else of the one in the Secret.
    pub(crate) async fn verify_login(&self) -> Response {
        let Some(issuer) = self.snapshot.issuer.clone() else { return Response::IssuerChanged };
        if !issuer.info.checks_login() {
            return Response::Login(LoginResult::NotChecked);
        }
        Response::Login(match &self.uncommitted {
            Some(token) => self.check_all_registries(&issuer, &token.username, &token.secret).await,
            None => match self.stored_credentials().await {
                Ok(stored) => self.check_all_registries(&issuer, &stored.username, &stored.password).await,
                Err(login_result) => login_result,
            },
        })
    }

    /// Verifies the login of this token at the registries, if the Secret contains it.
    pub async fn verify_stored_login(&self, token: &TokenRef) -> LoginResult {
        match (&self.snapshot.issuer, self.stored_credentials().await) {
            (Some(issuer), Ok(stored))
                if stored.id.as_ref() == Some(&token.id) && stored.username == token.username =>
            {
                self.check_all_registries(issuer, &stored.username, &stored.password).await
            }
            (_, Err(login_result)) => login_result,
            _ => LoginResult::NotChecked,
        }
    }

    /// The login in the Secret, if the operator wrote it: content that another user wrote proves nothing about our
    /// token.
    async fn stored_credentials(&self) -> Result<StoredCredentials, LoginResult> {
        let found = self.get_secret().await.map_err(|error| LoginResult::Unknown(error.to_string().into()))?;
        let (meta, data) = found.map(|secret| (secret.metadata, secret.data)).unwrap_or_default();
        let content = data.and_then(|mut data| data.remove(DATA_KEY)).ok_or(LoginResult::NotChecked)?;
        if !checksum::verify(&self.snapshot.uid(), &meta, &content.0) {
            return Err(LoginResult::NotChecked);
        }
        let login = dockerconfig::parse_login(&content.0).ok_or(LoginResult::NotChecked)?;
        let id = meta.annotations.and_then(|mut all| all.remove(TOKEN_ID_ANNOTATION));
        Ok(StoredCredentials { id, username: login.username, password: SecretString::from(login.password.as_str()) })
    }

    /// Checks all registries of the issuer; a single rejection decides.
    pub(super) async fn check_all_registries(
        &self,
        issuer: &ConnectedIssuer,
        username: &str,
        secret: &SecretString,
    ) -> LoginResult {
        let mut login_result = LoginResult::Accepted;
        for registry in &issuer.registries {
            let result = self.check_registry(registry, username, secret).await;
            if let Some(outcome) = login_outcome(&result) {
                self.ctx.metrics.issuers.record_login_check(&registry.host, outcome);
            }
            match result {
                LoginResult::Accepted | LoginResult::NotChecked => {}
                rejected @ LoginResult::Rejected(_) => return rejected,
                LoginResult::Unknown(problem) => {
                    // The object has to wait for the registry with the longest delay.
                    let longest_wait =
                        if let LoginResult::Unknown(other) = &login_result { Some(other.retry_after) } else { None };
                    if longest_wait.is_none_or(|wait| wait < problem.retry_after) {
                        login_result = LoginResult::Unknown(problem);
                    }
                }
            }
        }
        login_result
    }

    /// Checks one registry. This is not counted in metrics.
    pub(super) async fn check_registry(
        &self,
        registry: &RegistryEndpoint,
        username: &str,
        secret: &SecretString,
    ) -> LoginResult {
        let RegistryEndpoint { host, ca_pem, egress, .. } = registry;
        let ca_pem = ca_pem.as_deref();
        let login = RegistryLogin { registry: host, username, secret, ca_pem, plain_http: false, egress };
        match self.ctx.registry.check(login).await {
            LoginResult::Unknown(problem) => {
                LoginResult::Unknown(RegistryProblem { reason: registry_reason(problem.reason), ..problem })
            }
            result => result,
        }
    }
}

const fn login_outcome(result: &LoginResult) -> Option<LoginOutcome> {
    match result {
        LoginResult::Accepted => Some(LoginOutcome::Accepted),
        LoginResult::Rejected(_) => Some(LoginOutcome::Rejected),
        LoginResult::Unknown(_) => Some(LoginOutcome::Unknown),
        LoginResult::NotChecked => None,
    }
}

/// Keeps the registry's own reason, unless it only says that the registry is unavailable.
const fn registry_reason(reason: Reason) -> Reason {
    match reason {
        Reason::Unreachable | Reason::TimedOut | Reason::InvalidResponse => Reason::RegistryUnavailable,
        own => own,
    }
}
