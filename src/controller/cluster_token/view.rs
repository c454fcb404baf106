//! The caches, as the core sees them.

use crate::api::{ClusterRegistryToken, ConditionType, NamespaceFailure};
use crate::controller::context::Context;
use crate::controller::decode::prune::prune_annotations;
use crate::controller::state::token_cache::CachedToken;
use crate::domain::cluster_token::render::{Template, label_value};
use crate::domain::cluster_token::{Failure, NamespaceView, Ownership, Parent, TokenState, TokenView};
use crate::domain::model::conditions::find;
use crate::metrics::ReadyStatus;
use kube::ResourceExt;
use kube::core::Selector;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The object, as far as a plan depends on it.
pub fn parent_of(object: &ClusterRegistryToken) -> Parent {
    Parent {
        template: Template {
            parent: object.name_any(),
            token_name: object.token_name(),
            content: object.spec.template.clone(),
            requests: prune_annotations(object.annotations()),
        },
        grace: object.spec.unmatched_grace_period.0,
        suspended: object.spec.suspend,
    }
}

/// The cached `RegistryToken`s of this object's name, by namespace.
pub struct Tokens(BTreeMap<String, Arc<CachedToken>>);

impl Tokens {
    pub fn of(object: &ClusterRegistryToken, ctx: &Context) -> Self {
        let name = object.token_name();
        let found = ctx.tokens.filter(|token| token.is_named(&name));
        Self(found.into_iter().map(|token| (token.namespace().to_owned(), token)).collect())
    }

    /// What the core sees of them.
    pub fn views(&self, object: &ClusterRegistryToken) -> BTreeMap<&str, TokenView> {
        let (uid, label) = (object.uid().unwrap_or_default(), label_value(&object.name_any()));
        self.0.iter().map(|(namespace, token)| (namespace.as_str(), view_of(token, &uid, &label))).collect()
    }

    /// The cached version of a namespace's `RegistryToken`.
    pub fn version(&self, namespace: &str) -> Option<u64> {
        let token = self.0.get(namespace)?;
        Some(token.template_facts().map_or(0, |facts| facts.version))
    }

    /// The failures as the status reports them.
    pub fn failures(&self, failures: Vec<(String, Failure)>) -> Vec<NamespaceFailure> {
        let report = |(namespace, failure): (String, Failure)| {
            let (reason, message) = match failure {
                Some(problem) => (problem.reason.to_string(), problem.message),
                None => self.reported(&namespace).unwrap_or_default(),
            };
            NamespaceFailure { namespace, reason, message }
        };
        failures.into_iter().map(report).collect()
    }

    /// Reason and message of what a `RegistryToken` requires.
    fn reported(&self, namespace: &str) -> Option<(String, String)> {
        let status = self.0.get(namespace)?.unpack()?.status?;
        let stalled = find(&status.conditions, ConditionType::Stalled)?;
        Some((stalled.reason.clone(), stalled.message.clone()))
    }
}

fn view_of(token: &CachedToken, parent_uid: &str, label: &str) -> TokenView {
    let facts = token.template_facts();
    let ownership = match facts.map(|facts| (facts.controller_uid.as_deref(), facts.label.as_deref())) {
        Some((Some(controller), _)) if controller == parent_uid => Ownership::Owned,
        Some((None, Some(own))) if own == label => Ownership::Adoptable,
        _ => Ownership::Foreign,
    };
    let shown = token.facts();
    TokenView {
        uid: facts.map(|facts| facts.uid.to_string()).unwrap_or_default(),
        ownership,
        is_deleting: token.is_deleting(),
        fingerprint: facts.map_or(0, |facts| facts.fingerprint),
        copied_requests: facts.and_then(|facts| facts.copied_requests.as_deref().map(str::to_owned)),
        unmatched_since: facts.and_then(|facts| facts.unmatched_since),
        state: match shown.ready {
            _ if shown.is_stalled => TokenState::Failing,
            ReadyStatus::True => TokenState::Ready,
            _ => TokenState::Waiting,
        },
    }
}

/// All namespaces, by name.
pub fn namespaces(selector: &Selector, ctx: &Context) -> BTreeMap<String, NamespaceView> {
    let view = |namespace: &crate::controller::state::namespace_cache::CachedNamespace| NamespaceView {
        matches: namespace.matches(selector),
        is_terminating: namespace.is_terminating,
    };
    let all = ctx.cluster_tokens.namespaces.state();
    all.iter().map(|namespace| (namespace.name().to_owned(), view(namespace))).collect()
}
