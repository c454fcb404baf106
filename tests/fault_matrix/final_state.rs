//! Whether an existing object is in order at the end.

use super::case::{FaultCase, NAME};
use super::table::{PlannedFault, Scenario};
use crate::fake_portal::{Fault, Operation};
use crate::fixture::{condition, ready};
use kube::ResourceExt;
use registry_token_operator::api::{RESERVATION_ANNOTATION, RegistryToken, TOKEN_ID_ANNOTATION};
use serde_json::Value;

impl FaultCase {
    /// What is wrong, if anything.
    pub async fn check_final_state(&self, object: &RegistryToken) -> Option<String> {
        let (is, why, message) = ready(object);
        if self.row.scenario == Scenario::Denial {
            return self.check_denied(object).await;
        }
        let synced = condition(object, "DescriptionSynced").unwrap_or_default();
        let wanted = if self.rejection_is_final() { ("False", "DescriptionRejected") } else { ("True", "Synced") };
        if is != "True" || synced["status"] != wanted.0 || synced["reason"] != wanted.1 {
            return Some(format!("Ready={is} {why}: {message}; DescriptionSynced is {synced}"));
        }
        let live = self.team.portal.ledger().live();
        let [token] = live.as_slice() else { return Some(format!("{} tokens live", live.len())) };
        let status = object.status.clone().unwrap_or_default();
        if self.row.scenario == Scenario::Rotation
            && status.handled_annotations.get("rotate").map(String::as_str) != Some("now")
        {
            return Some("the token has no successor yet".to_owned());
        }
        if status.token.as_ref().map(|token| &token.username) != Some(&token.username) || !status.retiring.is_empty() {
            return Some(format!("status names {:?} and {:?}", status.token, status.retiring));
        }
        let Ok(secret) = self.team.secrets().get(NAME).await else { return Some("there is no Secret".to_owned()) };
        let annotations = secret.annotations();
        if annotations.contains_key(RESERVATION_ANNOTATION) || annotations.get(TOKEN_ID_ANNOTATION) != Some(&token.key)
        {
            return Some(format!("the Secret says {annotations:?}"));
        }
        let content = secret.data.as_ref().and_then(|data| data.get(".dockerconfigjson"));
        let content: Value = content.and_then(|bytes| serde_json::from_slice(&bytes.0).ok()).unwrap_or_default();
        let holds = content["auths"][self.team.portal.registry_host()]["password"] == token.secret.as_str();
        (!holds).then(|| "the Secret has another login".to_owned())
    }

    /// What is wrong with an object whose issuer does not serve the namespace any more.
    async fn check_denied(&self, object: &RegistryToken) -> Option<String> {
        let (is, why, message) = ready(object);
        let live = self.team.portal.ledger().live().len();
        let status = object.status.clone().unwrap_or_default();
        if is != "False" || why != "NamespaceNotAllowed" || live > 0 || !status.retiring.is_empty() {
            return Some(format!("Ready={is} {why}: {message}; {live} tokens live, retiring {:?}", status.retiring));
        }
        let Ok(secret) = self.team.secrets().get(NAME).await else { return Some("there is no Secret".to_owned()) };
        let content = secret.data.as_ref().and_then(|data| data.get(".dockerconfigjson"));
        (content.is_none_or(|bytes| bytes.0 != br#"{"auths":{}}"#)).then(|| "the Secret has a login".to_owned())
    }

    /// The portal's rejection of a description stands until a user writes another one.
    const fn rejection_is_final(&self) -> bool {
        matches!(self.fault, PlannedFault::Portal(Operation::Edit, Fault::Status(409 | 422)))
    }
}
