//! What really happened at the portal.

use super::shape::Shape;
use std::collections::{BTreeMap, VecDeque};

/// The fault of the next request to a task, the table or the token endpoint.
#[derive(Clone)]
pub enum RequestFault {
    /// Answers with this and does nothing.
    Answer(u16, Vec<(&'static str, String)>, &'static str),
    /// Does it, and answers with this status or body instead.
    ActThenAnswer(u16, &'static str),
    /// Does nothing and closes the connection.
    Drop,
    /// Does it and closes the connection.
    ActThenDrop,
    /// Does it, announces more of a response than it sends, and closes the connection.
    ActThenCut,
    /// Does it and answers much later.
    ActThenHang,
    /// Does it, and answers with a body that never ends.
    ActThenEndless,
    /// Does it, announces this many bytes, and sends a few.
    ActThenAnnounce(usize),
}

/// A task that is staged.
#[derive(Clone, Default)]
pub struct StagedTask {
    pub task: String,
    /// The token of its row.
    pub token: Option<i64>,
    pub fields: BTreeMap<String, serde_json::Value>,
    /// Its outputs after the commit.
    pub outputs: Option<serde_json::Value>,
}

#[derive(Default)]
pub struct Ledger {
    pub shape: Shape,
    /// The live tokens: number, username, description.
    pub tokens: BTreeMap<i64, (String, String)>,
    /// How many tokens were ever created.
    pub issued: usize,
    /// Requests by purpose.
    pub request_counts: BTreeMap<String, usize>,
    /// Methods and paths of all of them, relative to the application.
    pub paths: Vec<String>,
    /// The bodies of the tasks.
    pub bodies: Vec<String>,
    /// Queries of the list.
    pub queries: Vec<String>,
    /// The valid bearer tokens.
    pub access_tokens: Vec<String>,
    pub access_tokens_issued: usize,
    pub connections: usize,
    pub faults: BTreeMap<&'static str, VecDeque<RequestFault>>,
    /// The lifetime that is announced for a new bearer token.
    pub access_token_lifetime: u64,
    pub page_size: usize,
    /// The next link of every page, instead of the correct one.
    pub next_link: Option<String>,
    /// Each page of the list has rows of foreign tokens and a next link.
    pub is_list_endless: bool,
    /// The list does not show new rows yet.
    pub is_list_delayed: bool,
    /// The list shows all rows, whatever the filter.
    pub ignores_filter: bool,
    /// `$metadata`, instead of the correct one.
    pub metadata: Option<String>,
    /// The rows of the table in addition to that of the tokens.
    pub customers: Vec<i64>,
    pub staged: BTreeMap<String, StagedTask>,
    /// Waiting flows, with the outputs that they show.
    pub flows: BTreeMap<String, serde_json::Value>,
    /// Flows that were finished.
    pub finished: usize,
    /// Staged tasks and flows that were canceled.
    pub cancelled: usize,
}
