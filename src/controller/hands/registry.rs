//! The registry: may the token log in?

use super::{Hands, seal};
use crate::controller::issuers::Handle;
use crate::domain::dockerconfig::{self, DATA_KEY};
use crate::domain::effect::{Answer, Named, Verdict};
use crate::registry::{self, Login};
use secrecy::SecretString;

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
                Ok((username, secret)) => self.everywhere(&issuer, &username, &secret).await,
                Err(verdict) => verdict,
            },
        })
    }

    /// Whether the registries let this token in, which the Secret is to hold.
    pub async fn lets_in(&self, token: &Named) -> Verdict {
        match (&self.world.issuer, self.held().await) {
            (Some(issuer), Ok((username, secret))) if username == token.username => {
                self.everywhere(issuer, &username, &secret).await
            }
            (_, Err(verdict)) => verdict,
            _ => Verdict::NotAsked,
        }
    }

    /// Username and secret that the Secret holds, as the operator wrote them: what somebody else put there says
    /// nothing of our token.
    async fn held(&self) -> Result<(String, SecretString), Verdict> {
        let found = self.whole().await.map_err(|error| Verdict::Unknown(error.to_string()))?;
        let (meta, data) = found.map(|secret| (secret.metadata, secret.data)).unwrap_or_default();
        let content = data.and_then(|mut data| data.remove(DATA_KEY)).ok_or(Verdict::NotAsked)?;
        if !seal::intact(&self.world.uid(), &meta, &content.0) {
            return Err(Verdict::NotAsked);
        }
        let login = dockerconfig::login(&content.0).ok_or(Verdict::NotAsked)?;
        Ok((login.username, SecretString::from(login.password.as_str())))
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
                registry::Verdict::Unknown { message, .. } => verdict = Verdict::Unknown(message),
            }
        }
        verdict
    }
}
