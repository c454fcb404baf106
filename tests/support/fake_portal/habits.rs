//! Behavior of servers and of proxies in front of them, each with its own switch: what the vendor documents about its
//! portal, and what other servers do.

use super::answer::Answer;
use super::config::Config;
use super::target::Target;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// The active switches. None by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "each is an independent setting")]
pub struct Habits {
    /// Staged tasks and waiting flows exist in one of several instances, and only a cookie leads to it.
    pub affinity: bool,
    /// A task takes effect this many milliseconds after its response.
    pub late_effect_ms: u64,
    /// A new token has no description, whatever was sent.
    pub drops_description: bool,
    /// Of several parameters the last one is silently dropped.
    pub drops_last: bool,
    /// A flow has no `…/continue`: it ends by `…/commit`.
    pub flow_commits: bool,
    /// Staged tasks and flows cannot be canceled.
    pub no_cancel: bool,
    /// How clients can authenticate at the token endpoint.
    pub client_auth: ClientAuth,
    /// The discovery document does not list these methods.
    pub silent_client_auth: bool,
    /// `expires_in` of a bearer token, any JSON value.
    pub expires_in: Option<Value>,
    /// A byte-order mark precedes each body.
    pub byte_order_mark: bool,
    /// Each response has this `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// The origin in all returned addresses, as for a portal that does not know its public name.
    pub origin: Option<String>,
    /// One request in this many milliseconds; all others get 429 and `Retry-After: 1`.
    pub one_request_each_ms: u64,
}

/// How clients can authenticate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// In the form or by HTTP Basic.
    #[default]
    Either,
    /// In the form only.
    Post,
    /// By HTTP Basic only.
    Basic,
}

impl ClientAuth {
    /// The names in the discovery document.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Either => &["client_secret_post", "client_secret_basic"],
            Self::Post => &["client_secret_post"],
            Self::Basic => &["client_secret_basic"],
        }
    }
}

impl Habits {
    pub(super) fn late_effect(&self) -> Duration {
        Duration::from_millis(self.late_effect_ms)
    }

    pub(super) fn pace(&self) -> Duration {
        Duration::from_millis(self.one_request_each_ms)
    }
}

/// The response as it leaves the server.
pub(super) fn dressed(config: &Config, answer: Answer) -> Answer {
    let habits = &config.habits;
    let answer = if habits.byte_order_mark { answer.after(b"\xef\xbb\xbf") } else { answer };
    match &habits.content_encoding {
        Some(encoding) => answer.with("content-encoding", encoding),
        None => answer,
    }
}

/// The cookie of the instance with this resource.
pub(super) fn cookie(id: &str) -> String {
    format!("affinity={}", id.to_lowercase().get(..8).unwrap_or_default())
}

/// Whether a request reaches the instance with the resource that it names.
pub(super) fn reaches(config: &Config, target: &Target, headers: &HeaderMap) -> bool {
    let (Target::Staged(_, id)
    | Target::Commit(_, id)
    | Target::Flow(_, id)
    | Target::FlowContinue(_, id)
    | Target::FlowFinish(_, id)) = target
    else {
        return true;
    };
    let cookies = headers.get_all("cookie").iter().filter_map(|value| value.to_str().ok());
    !config.habits.affinity || cookies.flat_map(|text| text.split("; ")).any(|text| text == cookie(id))
}
