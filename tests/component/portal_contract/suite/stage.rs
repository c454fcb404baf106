//! A portal behind a proxy that injects faults, a client of it, and what the client logs.

use super::captured_logs::CapturedLogs;
use super::under_test::{LiveToken, PortalUnderTest, Traits};
use crate::fault_proxy::{Calls, Fault, FaultProxy};
use crate::portal_faults::{limits, marker};
use registry_token_operator::domain::model::capabilities::Capabilities;
use registry_token_operator::domain::model::token::{RowQuery, TokenRef, TokenRow};
use registry_token_operator::portal::{Credentials, Delivery, Portal, PortalError, TokenRequest};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::sync::Arc;

/// How the descriptions of all tokens of the suite begin.
const OWN: &str = "contract";
const WRONG_SECRET: &str = "wrong-battery-staple";

pub struct Stage {
    pub portal: Arc<dyn PortalUnderTest>,
    pub proxy: FaultProxy,
    /// A client that has resolved the portal's interface.
    pub client: Box<dyn Portal>,
    pub capabilities: Capabilities,
    pub traits: Traits,
    /// The tokens of others, which are there before.
    pub foreign: Vec<LiveToken>,
    /// What the client's thread logs.
    logs: CapturedLogs,
}

impl Stage {
    pub async fn new(portal: Box<dyn PortalUnderTest>) -> Self {
        let portal: Arc<dyn PortalUnderTest> = Arc::from(portal);
        let logs = CapturedLogs::start();
        let traits = portal.traits();
        let access = portal.access();
        let (origin, _) = split(&access.url);
        let proxy = FaultProxy::start(&origin, access.ca_pem.as_deref(), traits.list).await;
        portal.set_origin(&proxy.origin);
        remove_own(&*portal).await;
        let foreign = portal.tokens().await;
        let client = connect(&*portal, &proxy, access.credentials);
        let capabilities = client.resolve().await.expect("the portal is usable").capabilities;
        // All else here reads the list.
        assert!(capabilities.list_visible(), "{capabilities:?}");
        proxy.take_lists();
        Self { portal, proxy, client, capabilities, traits, foreign, logs }
    }

    /// Another client, which has resolved the portal's interface.
    pub async fn other_client(&self) -> Box<dyn Portal> {
        let client = self.connect_with(self.portal.access().credentials);
        client.resolve().await.expect("the portal is usable");
        self.proxy.take_lists();
        client
    }

    /// A client with this login. It has sent nothing.
    pub fn connect_with(&self, credentials: Credentials) -> Box<dyn Portal> {
        connect(&*self.portal, &self.proxy, credentials)
    }

    /// The operator's login with a wrong secret.
    pub fn wrong_credentials(&self) -> Credentials {
        let wrong = SecretString::from(WRONG_SECRET);
        match self.portal.access().credentials {
            Credentials::Basic { username, .. } => Credentials::Basic { username, password: wrong },
            Credentials::ClientCredentials { client_id, .. } => {
                Credentials::ClientCredentials { client_id, client_secret: wrong }
            }
            Credentials::Token { .. } => Credentials::Token { token: wrong },
        }
    }

    /// Injects a fault into the next change.
    pub fn fail_change(&self, fault: Fault) {
        self.proxy.fail(Calls::Changes, fault);
    }

    /// Injects a fault into the next read of the list.
    pub fn fail_list(&self, fault: Fault) {
        self.proxy.fail(Calls::Lists, fault);
    }

    /// The tokens that were created since the start, as the portal itself shows them.
    pub async fn own(&self) -> Vec<LiveToken> {
        let mut all = self.portal.tokens().await;
        all.retain(|token| !self.foreign.contains(token));
        all
    }

    pub async fn own_ids(&self) -> Vec<String> {
        self.own().await.into_iter().map(|token| token.id).collect()
    }

    /// The ids of the tokens that the client finds by a marker, sorted.
    pub async fn found(&self, letter: char) -> Vec<String> {
        let rows = self.client.list(&RowQuery::WithMarker(marker(letter))).await.expect("a list");
        sorted(rows.into_iter().map(|row| row.token.id).collect())
    }

    /// Requests a token, and returns what identifies it.
    pub async fn request(&self, letter: char) -> TokenRef {
        let token = self.client.request(&described(letter)).await.expect("a token");
        assert!(
            self.secrets().iter().any(|secret| secret == token.secret.expose_secret()),
            "it is looked for everywhere"
        );
        self.assert_no_secret(&format!("{token:?}"));
        self.proxy.take_changes();
        TokenRef { id: token.id.expect("every portal here returns the id"), username: token.username }
    }

    /// Reads the whole list.
    pub async fn scan(&self) -> Result<Vec<TokenRow>, PortalError> {
        let mut rows = vec![];
        self.client.scan(&mut |row: TokenRow| rows.push(row)).await?;
        Ok(rows)
    }

    /// The call may have had its effect, and its error contains no secret.
    pub fn assert_unknown(&self, failure: &PortalError) {
        assert_eq!(failure.delivery, Delivery::Unknown, "{failure}");
        assert_eq!(failure.unusable_token, None, "the marker identifies the token");
        self.assert_no_secret(&format!("{failure} {failure:?}"));
    }

    /// The changes that arrived since the last time. No fault is left over.
    pub fn changes(&self) -> Vec<String> {
        assert_eq!(self.proxy.pending_faults(), 0, "every fault was injected");
        self.proxy.take_changes()
    }

    pub fn assert_no_secret(&self, text: &str) {
        for secret in self.secrets() {
            // Logs show some texts as a string literal.
            let literal = format!("{secret:?}");
            let shown = [secret.as_str(), literal.trim_matches('"')].into_iter().any(|form| text.contains(form));
            assert!(!shown, "a secret is shown: {text}");
        }
    }

    /// The secrets of the logins, and of all tokens that were created.
    fn secrets(&self) -> Vec<String> {
        let login = match self.portal.access().credentials {
            Credentials::Basic { password: secret, .. }
            | Credentials::ClientCredentials { client_secret: secret, .. }
            | Credentials::Token { token: secret } => secret.expose_secret().to_owned(),
        };
        let field = self.traits.secret_field;
        let issued = self.proxy.bodies().into_iter().filter_map(|body| {
            let response: Value = serde_json::from_slice(&body).ok()?;
            Some(response.get(field)?.as_str()?.to_owned())
        });
        issued.chain([login, WRONG_SECRET.to_owned()]).collect()
    }

    /// Ends a case: nothing that was logged contains a secret.
    pub async fn end(self) {
        let logs = self.logs.text();
        assert!(logs.contains("TRACE"), "the client's logs are captured: {logs}");
        self.assert_no_secret(&logs);
        assert!(self.foreign.iter().all(|token| !token.description.starts_with(OWN)));
        remove_own(&*self.portal).await;
        assert_eq!(self.portal.tokens().await, self.foreign, "nothing else was changed");
    }
}

/// A description of the suite with a marker.
pub fn described(letter: char) -> String {
    marker(letter).append_to(&format!("{OWN} test"))
}

/// A request without a scope.
pub fn unlimited(description: &str) -> TokenRequest<'_> {
    TokenRequest { namespace: "team-a", description, projects: &[] }
}

/// A description of the suite with this end.
pub fn own(end: &str) -> String {
    format!("{OWN} {end}")
}

pub fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

fn connect(portal: &dyn PortalUnderTest, proxy: &FaultProxy, credentials: Credentials) -> Box<dyn Portal> {
    let (_, path) = split(&portal.access().url);
    portal.connect(&format!("{}{path}", proxy.origin), credentials, limits())
}

/// The origin and the path of an address.
fn split(url: &str) -> (String, String) {
    let url = url::Url::parse(url).expect("an address");
    (url.origin().ascii_serialization(), url.path().trim_end_matches('/').to_owned())
}

async fn remove_own(portal: &dyn PortalUnderTest) {
    for token in portal.tokens().await {
        if token.description.starts_with(OWN) {
            portal.remove(&token.id).await;
        }
    }
}
