//! The state at the end: the portal's live tokens are those that objects and their Secrets name.

use crate::fake_portal::Token;
use crate::fixture::{Team, condition, ready};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::ListParams;
use registry_token_operator::api::{OWNER_LABEL, RESERVATION_ANNOTATION, RegistryToken, TOKEN_ID_ANNOTATION};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The state of the cluster and the portal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChaosReport {
    pub objects: usize,
    /// Live tokens in the portal.
    pub live: usize,
    /// Live tokens that no object names.
    pub leaked: BTreeSet<String>,
    /// Tokens that an object names and the portal does not have.
    pub lost: BTreeSet<String>,
    /// Everything else that is wrong.
    pub mismatches: Vec<String>,
    /// The metadata of the Secrets of objects that are wrong.
    pub details: String,
}

impl ChaosReport {
    /// Nothing leaked, nothing lost, and everything else in order.
    pub fn is_clean(&self) -> bool {
        self.leaked.is_empty() && self.lost.is_empty() && self.mismatches.is_empty()
    }

    /// Repeats until two consecutive reports are clean and equal, or the time is up.
    pub async fn when_idle(team: &Team, limit: Duration) -> Self {
        let begun = Instant::now();
        let mut former = Self::take(team).await;
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let found = Self::take(team).await;
            if (found.is_clean() && found == former) || begun.elapsed() > limit {
                return found;
            }
            former = found;
        }
    }

    async fn take(team: &Team) -> Self {
        let objects = team.tokens().list(&ListParams::default()).await.expect("the objects");
        let secrets = team.secrets().list(&ListParams::default().labels(OWNER_LABEL)).await.expect("the Secrets");
        let live: BTreeMap<String, Token> =
            team.portal.ledger().live().into_iter().map(|token| (token.username.clone(), token)).collect();
        let mut found = Self { objects: objects.items.len(), live: live.len(), ..Self::default() };
        let mut named = BTreeSet::new();
        for object in &objects.items {
            let status = object.status.clone().unwrap_or_default();
            let retiring: Vec<&str> = status.retiring.iter().map(|token| token.username.as_str()).collect();
            if !retiring.is_empty() {
                found.mismatches.push(format!("{}: {retiring:?} still retire", object.name_any()));
            }
            let current = status.token.map(|token| token.username);
            named.extend(current.clone().into_iter().chain(status.retiring.into_iter().map(|token| token.username)));
            let secret = secrets.items.iter().find(|secret| secret.name_any() == object.name_any());
            let token = current.and_then(|username| live.get(&username));
            if let Some(why) = mismatch(object, secret, token) {
                found.mismatches.push(format!("{}: {why}", object.name_any()));
                let meta = secret.map(|secret| &secret.metadata);
                let secret_meta = json!(meta.map(|meta| (
                    &meta.labels,
                    &meta.annotations,
                    &meta.owner_references,
                    &meta.resource_version
                )));
                found.details.extend([object.name_any(), ": ".to_owned(), secret_meta.to_string(), "\n".to_owned()]);
            }
        }
        let strays = secrets.items.iter().map(ResourceExt::name_any);
        let known: BTreeSet<String> = objects.items.iter().map(ResourceExt::name_any).collect();
        found
            .mismatches
            .extend(strays.filter(|name| !known.contains(name)).map(|name| format!("Secret {name}: has no object")));
        found.leaked = live.keys().filter(|username| !named.contains(*username)).cloned().collect();
        if found.live != found.objects {
            found.mismatches.push(format!("{} live tokens, for {} objects", found.live, found.objects));
        }
        found.lost = named.into_iter().filter(|username| !live.contains_key(username)).collect();
        found
    }
}

/// What is wrong with one object, if anything.
fn mismatch(object: &RegistryToken, secret: Option<&Secret>, token: Option<&Token>) -> Option<String> {
    let generation = json!(object.metadata.generation);
    let synced = condition(object, "DescriptionSynced").unwrap_or(Value::Null);
    let (is, why, message) = ready(object);
    if is != "True" || object.metadata.deletion_timestamp.is_some() {
        return Some(format!("Ready={is} {why}: {message}"));
    }
    if synced["status"] != "True" || synced["observedGeneration"] != generation {
        return Some(format!("DescriptionSynced is {synced}"));
    }
    let Some(token) = token else { return Some("its token is not live".to_owned()) };
    if token.description.as_deref() != Some(object.spec.description.as_str()) {
        return Some(format!("the portal shows {:?}", token.description));
    }
    let Some(secret) = secret else { return Some("has no Secret".to_owned()) };
    if secret.annotations().contains_key(RESERVATION_ANNOTATION) {
        return Some("its Secret has a reservation".to_owned());
    }
    if secret.annotations().get(TOKEN_ID_ANNOTATION) != Some(&token.key) {
        return Some("its Secret names another token".to_owned());
    }
    let content = secret.data.as_ref().and_then(|data| data.get(".dockerconfigjson"));
    let content: Value = content.and_then(|bytes| serde_json::from_slice(&bytes.0).ok()).unwrap_or_default();
    let logins = content["auths"].as_object().map(|auths| auths.values().collect::<Vec<_>>()).unwrap_or_default();
    let fits =
        |login: &&Value| login["username"] == token.username.as_str() && login["password"] == token.secret.as_str();
    (logins.is_empty() || !logins.iter().all(fits)).then(|| "its Secret has another login".to_owned())
}
