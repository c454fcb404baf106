//! The registry: may the token log in?

use super::{Hands, seal};
use crate::api::{Reason, TOKEN_ID_ANNOTATION};
use crate::controller::issuers::Handle;
use crate::domain::dockerconfig::{self, DATA_KEY};
use crate::domain::effect::{Answer, Named, RegistryProblem, Verdict};
use crate::registry::{self, Login};
use secrecy::SecretString;

/// A login in a Secret.
struct Held {
    /// The id of its token, as it is noted.
    id: Option<String>,
    username: String,
    secret: SecretString,
}

impl Hands<'_> {
    /// Logs in with the token in hand, or else with what the Secret holds.
    pub(super) async fn log_in(&self) -> Answer {
        let Some(issuer) = self.world.issuer.clone() else { return Answer::Changed };
        if !issuer.facts.asks_registry() {
            return Answer::Login(Verdict::NotAsked);
        }
        Answer::Login(match &self.token {
            Some(token) => self.everywhere(&issuer, &token.username, &token.secret).await,
            None => match self.held().await {
                Ok(held) => self.everywhere(&issuer, &held.username, &held.secret).await,
                Err(verdict) => verdict,
            },
        })
    }

    /// Whether the registries let this token in, which the Secret is to hold.
    pub async fn lets_in(&self, token: &Named) -> Verdict {
        match (&self.world.issuer, self.held().await) {
            (Some(issuer), Ok(held)) if held.id.as_ref() == Some(&token.id) && held.username == token.username => {
                self.everywhere(issuer, &held.username, &held.secret).await
            }
            (_, Err(verdict)) => verdict,
            _ => Verdict::NotAsked,
        }
    }

    /// The login that the Secret holds, as the operator wrote it: what somebody else put there says nothing of our
    /// token.
    async fn held(&self) -> Result<Held, Verdict> {
        let found = self.whole().await.map_err(|error| Verdict::Unknown(error.to_string().into()))?;
        let (meta, data) = found.map(|secret| (secret.metadata, secret.data)).unwrap_or_default();
        let content = data.and_then(|mut data| data.remove(DATA_KEY)).ok_or(Verdict::NotAsked)?;
        if !seal::intact(&self.world.uid(), &meta, &content.0) {
            return Err(Verdict::NotAsked);
        }
        let login = dockerconfig::login(&content.0).ok_or(Verdict::NotAsked)?;
        let id = meta.annotations.and_then(|mut all| all.remove(TOKEN_ID_ANNOTATION));
        Ok(Held { id, username: login.username, secret: SecretString::from(login.password.as_str()) })
    }

    /// At every registry of the issuer: one that refuses decides.
    async fn everywhere(&self, issuer: &Handle, username: &str, secret: &SecretString) -> Verdict {
        let mut verdict = Verdict::Accepted;
        for registry in &issuer.registries {
            let ca_pem = registry.ca_pem.as_deref();
            let (registry, egress) = (registry.host.as_str(), &registry.egress);
            let login = Login { registry, username, secret, ca_pem, plain_http: false, egress };
            match self.ctx.registry.check(login).await {
                registry::Verdict::Accepted => {}
                registry::Verdict::Refused { message } => return Verdict::Refused(message),
                registry::Verdict::Unknown { reason, message, retry_after } => {
                    let problem = RegistryProblem { reason: as_said(reason), message, retry_after };
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
const fn as_said(reason: Reason) -> Reason {
    match reason {
        Reason::Unreachable | Reason::TimedOut | Reason::AnswerMalformed => Reason::RegistryUnavailable,
        own => own,
    }
}
