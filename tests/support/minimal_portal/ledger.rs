//! What really happened.

use super::shape::Shape;
use std::collections::{BTreeMap, VecDeque};

/// What goes wrong at the next request of a task, of the table or of the token endpoint.
#[derive(Clone)]
pub enum RequestFault {
    /// Answers so and does nothing.
    Answer(u16, Vec<(&'static str, String)>, &'static str),
    /// Does it, and answers with this status or body instead.
    ActThenAnswer(u16, &'static str),
    /// Does nothing and closes the connection.
    Drop,
    /// Does it and closes the connection.
    ActThenDrop,
    /// Does it, announces more of an answer than comes, and closes the connection.
    ActThenCut,
    /// Does it and answers much later.
    ActThenHang,
    /// Does it, and answers with a body that never ends.
    ActThenEndless,
    /// Does it, announces so many bytes, and sends a few.
    ActThenAnnounce(usize),
}

/// A task that is staged.
#[derive(Clone, Default)]
pub struct StagedTask {
    pub task: String,
    /// The token of its row.
    pub token: Option<i64>,
    pub fields: BTreeMap<String, serde_json::Value>,
    /// What came of it.
    pub outputs: Option<serde_json::Value>,
}

#[derive(Default)]
pub struct Ledger {
    pub shape: Shape,
    /// The tokens that live: number, username, description.
    pub tokens: BTreeMap<i64, (String, String)>,
    /// How many tokens were ever made.
    pub issued: usize,
    /// Requests that arrived, by what they were for.
    pub request_counts: BTreeMap<String, usize>,
    /// Methods and paths of all of them, below the application.
    pub paths: Vec<String>,
    /// The bodies of the tasks.
    pub bodies: Vec<String>,
    /// Queries of the list.
    pub queries: Vec<String>,
    /// The bearers that are valid.
    pub access_tokens: Vec<String>,
    pub access_tokens_issued: usize,
    pub connections: usize,
    pub faults: BTreeMap<&'static str, VecDeque<RequestFault>>,
    /// What a new bearer's end is said to be.
    pub access_token_lifetime: u64,
    pub page_size: usize,
    /// The next link that is written into every page, instead of the true one.
    pub next_link: Option<String>,
    /// Each page of the list has rows of nobody's and a link to the next one.
    pub is_list_endless: bool,
    /// The list shows no row yet.
    pub is_list_delayed: bool,
    /// The list shows all rows, whatever is asked for.
    pub ignores_filter: bool,
    /// `$metadata`, instead of the true one.
    pub metadata: Option<String>,
    /// The rows of the table beside that of the tokens.
    pub customers: Vec<i64>,
    pub staged: BTreeMap<String, StagedTask>,
    /// Flows that wait, with what they show.
    pub flows: BTreeMap<String, serde_json::Value>,
    /// Flows that were finished.
    pub finished: usize,
    /// Staged tasks and flows that were given up.
    pub cancelled: usize,
}
