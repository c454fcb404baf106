//! Habits of servers and of what stands before them, each a switch of its own: what the vendor says of
//! its portal, and what other servers do.

use super::answer::Answer;
use super::config::Config;
use super::target::Target;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// Which of them there are. None, unless one is switched on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "each is a habit of its own")]
pub struct Habits {
    /// What is staged, and a flow that waits, live in one of several instances, which only a cookie leads back to.
    pub affinity: bool,
    /// A task takes effect so many milliseconds after its answer.
    pub late_effect_ms: u64,
    /// A new token has no description, whatever was sent.
    pub drops_description: bool,
    /// Of several parameters the last one is dropped, and nobody says so.
    pub drops_last: bool,
    /// `…/continue` of a flow is not known: it ends by `…/commit`.
    pub flow_commits: bool,
    /// What is staged, and a flow, cannot be given up.
    pub no_cancel: bool,
    /// How a client may say who it is at the token endpoint.
    pub client_auth: ClientAuth,
    /// The discovery document does not say how.
    pub silent_client_auth: bool,
    /// `expires_in` of a bearer, whatever it is.
    pub expires_in: Option<Value>,
    /// A byte-order mark precedes each body.
    pub byte_order_mark: bool,
    /// Each body is said to be encoded so.
    pub content_encoding: Option<String>,
    /// The origin in all addresses that are given out, as a portal has it that does not know its own name.
    pub origin: Option<String>,
    /// One request in so many milliseconds; all others get 429 and `Retry-After: 1`.
    pub one_request_each_ms: u64,
}

/// How a client may say who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// In the form or by HTTP Basic.
    #[default]
    Either,
    /// In the form alone.
    Post,
    /// By HTTP Basic alone.
    Basic,
}

impl ClientAuth {
    /// As the discovery document names it.
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

/// The answer as it leaves the server.
pub(super) fn dressed(config: &Config, answer: Answer) -> Answer {
    let habits = &config.habits;
    let answer = if habits.byte_order_mark { answer.after(b"\xef\xbb\xbf") } else { answer };
    match &habits.content_encoding {
        Some(encoding) => answer.with("content-encoding", encoding),
        None => answer,
    }
}

/// The cookie that leads back to the instance with this resource.
pub(super) fn cookie(id: &str) -> String {
    format!("affinity={}", id.to_lowercase().get(..8).unwrap_or_default())
}

/// Whether a request reaches the instance that has what it asks for.
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
