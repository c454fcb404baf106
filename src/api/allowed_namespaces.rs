//! The namespaces that may use a cluster issuer.

use super::duration::{ShortDuration, default_grace_period};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The namespaces that may use a cluster issuer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.from == 'Selector') == has(self.selector)")
    .message("set selector if and only if from is Selector"))]
pub struct AllowedNamespaces {
    /// `All` (the default) or `Selector`.
    #[serde(default)]
    pub from: NamespacesFrom,

    /// Label selector for namespaces. Required with `from: Selector`, and only allowed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!has(self.matchExpressions) || self.matchExpressions.size() <= 16").message("matchExpressions must have at most 16 entries"))]
    #[x_kube(validation = Rule::new("!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['In', 'NotIn', 'Exists', 'DoesNotExist'])").message("an operator of matchExpressions is In, NotIn, Exists or DoesNotExist"))]
    #[x_kube(validation = Rule::new("!has(self.matchExpressions) || self.matchExpressions.all(e, (e.operator in ['In', 'NotIn']) == (has(e.values) && e.values.size() > 0))").message("matchExpressions: In and NotIn need values; Exists and DoesNotExist have none"))]
    pub selector: Option<LabelSelector>,

    /// How long a namespace that is no longer allowed keeps its tokens, so that a label that is removed by mistake
    /// revokes nothing at once. A new token is not requested meanwhile. After it the tokens are revoked and the login is
    /// removed from the Secret, whatever `deletionPolicy` and `suspend` say. Defaults to 1h; at most 8760h. 0s revokes
    /// at once.
    #[serde(default = "default_grace_period")]
    #[schemars(regex(pattern = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    #[x_kube(validation = Rule::new("duration(self) <= duration('8760h')").message("gracePeriod must be at most 8760h, a year"))]
    pub grace_period: ShortDuration,
}

impl Default for AllowedNamespaces {
    fn default() -> Self {
        Self { from: NamespacesFrom::default(), selector: None, grace_period: default_grace_period() }
    }
}

/// How namespaces are selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum NamespacesFrom {
    /// Every namespace.
    #[default]
    All,
    /// Namespaces that match a label selector.
    Selector,
}
