//! The resource of a path at the portal. A path is first split at its slashes and then decoded, so a slash within a key
//! has to be percent-encoded.

use super::config::Config;
use super::declared::Declared;
use super::decoys;
use super::forms::Form;
use super::requests::{Kind, Operation};
use axum::http::Method;

/// The resource of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The discovery document of the identity provider.
    Discovery,
    /// Its token endpoint.
    TokenEndpoint,
    /// `<root>/iam/<another application>/…`.
    OtherApplication,
    /// The application itself.
    Service,
    /// Its `$metadata`.
    Metadata,
    /// The table of tokens.
    Table,
    /// One row of it, by the text between the parentheses.
    Row(String),
    /// A task that is published unbound.
    Unbound(Operation),
    /// A task that is bound to the row with this key, in one request.
    Bound(Operation, String),
    /// `…/stage` of a bound task.
    Stage(Operation, String),
    /// A staged task, by its id.
    Staged(Operation, String),
    /// `…/commit` of a staged task.
    Commit(Operation, String),
    /// The resource that a process flow waits for, by its id.
    Flow(Operation, String),
    /// `…/continue` of a flow.
    FlowContinue(Operation, String),
    /// `…/commit` of a flow.
    FlowFinish(Operation, String),
    /// The address of a task that can only be staged.
    StagedOnly,
    /// Another table, with or without a key.
    OtherTable(String, Option<String>),
    /// Another task.
    OtherTask,
    /// A path within the application that does not exist.
    Unknown,
    /// A path within Indicium that does not exist.
    Nothing,
}

/// A decoded part of a path: a name, and the text in parentheses after it.
struct Segment {
    name: String,
    key: Option<String>,
}

impl Target {
    pub(super) fn of(config: &Config, path: &str) -> Self {
        let Some(path) = path.strip_prefix(config.root.as_str()) else { return Self::Nothing };
        match path {
            "/.well-known/openid-configuration" => return Self::Discovery,
            "/connect/token" => return Self::TokenEndpoint,
            _ => {}
        }
        let Some(path) = path.strip_prefix("/iam/") else { return Self::Nothing };
        let (application, resource) = path.split_once('/').unwrap_or((path, ""));
        if decoded(application).as_deref() != Some(config.application.as_str()) {
            return Self::OtherApplication;
        }
        let segments: Option<Vec<Segment>> = resource.split('/').map(Segment::parse).collect();
        segments.map_or(Self::Unknown, |segments| Self::resource(config, &segments))
    }

    fn resource(config: &Config, segments: &[Segment]) -> Self {
        let names: Vec<&str> = segments.iter().map(|segment| segment.name.as_str()).collect();
        let keys: Vec<Option<&str>> = segments.iter().map(|segment| segment.key.as_deref()).collect();
        match (names.as_slice(), keys.as_slice()) {
            ([""], [None]) => Self::Service,
            (["$metadata"], [None]) => Self::Metadata,
            _ => Declared::all(config)
                .iter()
                .find_map(|task| Self::part(task, &names, &keys))
                .unwrap_or_else(|| Self::table(config, &names, &keys)),
        }
    }

    /// Whether a path names a task in a form in which it is published.
    fn part(declared: &Declared<'_>, names: &[&str], keys: &[Option<&str>]) -> Option<Self> {
        let (task, form) = (declared.task, declared.form.form);
        let is_row = |table: &str| form.is_bound() && table == declared.bound().table;
        let is_action = |name: &str| name.strip_prefix("task_") == Some(declared.name);
        match (names, keys) {
            ([name], [None]) if form == Form::Unbound && *name == declared.name => Some(Self::Unbound(task)),
            ([name], [None]) if form == Form::UnboundStaged && *name == declared.name => Some(Self::StagedOnly),
            ([name, "stage"], [None, None]) if form == Form::UnboundStaged && *name == declared.name => {
                Some(Self::Stage(task, String::new()))
            }
            ([table, action], [Some(key), None]) if is_row(table) && is_action(action) && form.in_one_request() => {
                Some(Self::Bound(task, (*key).to_owned()))
            }
            ([table, action, "stage"], [Some(key), None, None])
                if is_row(table) && is_action(action) && form.is_staged() =>
            {
                Some(Self::Stage(task, (*key).to_owned()))
            }
            ([name, rest @ ..], [Some(id), ..]) => {
                let id = (*id).to_owned();
                let is_staged = form.is_staged() && *name == staged(declared);
                match rest {
                    [] if is_staged => Some(Self::Staged(task, id)),
                    ["commit"] if is_staged => Some(Self::Commit(task, id)),
                    [] if *name == flow(declared) => Some(Self::Flow(task, id)),
                    ["continue"] if *name == flow(declared) => Some(Self::FlowContinue(task, id)),
                    ["commit"] if *name == flow(declared) => Some(Self::FlowFinish(task, id)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn table(config: &Config, names: &[&str], keys: &[Option<&str>]) -> Self {
        let is_tokens = |name: &str| name == config.names.table && !config.table_hidden;
        match (names, keys) {
            ([name], [None]) if is_tokens(name) => Self::Table,
            ([name], [Some(key)]) if is_tokens(name) => Self::Row((*key).to_owned()),
            ([name], [key]) if decoys::table(config, name).is_some() => {
                Self::OtherTable((*name).to_owned(), key.map(str::to_owned))
            }
            ([task], [None]) if decoys::is_task(config, task, None) => Self::OtherTask,
            ([table, task], [Some(_), None]) if decoys::is_task(config, task, Some(table)) => Self::OtherTask,
            _ => Self::Unknown,
        }
    }

    pub(super) fn kind(&self, method: &Method) -> Kind {
        match self {
            Self::Discovery => Kind::of(Operation::Discovery),
            Self::TokenEndpoint => Kind::of(Operation::TokenEndpoint),
            Self::Service => Kind::of(Operation::Service),
            Self::Metadata => Kind::of(Operation::Metadata),
            Self::Table => Kind::of(Operation::List),
            Self::Row(_) => Kind::of(Operation::Row),
            Self::Unbound(task) | Self::Bound(task, _) => Kind::part(*task, *task),
            Self::Stage(task, _) => Kind::part(Operation::Stage, *task),
            Self::Staged(task, _) | Self::Flow(task, _) if method == Method::DELETE => {
                Kind::part(Operation::Cancel, *task)
            }
            Self::Staged(task, _) if method == Method::PATCH => Kind::part(Operation::Patch, *task),
            Self::Staged(task, _) => Kind::part(Operation::StagedRead, *task),
            Self::Commit(task, _) => Kind::part(Operation::Commit, *task),
            Self::Flow(task, _) => Kind::part(Operation::FlowRead, *task),
            Self::FlowContinue(task, _) | Self::FlowFinish(task, _) => Kind::part(Operation::FlowFinish, *task),
            Self::StagedOnly
            | Self::OtherTable(..)
            | Self::OtherTask
            | Self::OtherApplication
            | Self::Unknown
            | Self::Nothing => Kind::of(Operation::Other),
        }
    }
}

/// The entity set of a staged task (documented).
pub(super) fn staged(declared: &Declared<'_>) -> String {
    format!("staged_{}", declared.name)
}

/// The entity set of the resource that the task's process flow waits for: the next action of the flow, which is a
/// staged resource like others (inferred).
pub(super) fn flow(declared: &Declared<'_>) -> String {
    format!("staged_show_{}", declared.name)
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        let text = decoded(text)?;
        Some(match text.split_once('(') {
            Some((name, rest)) => Self { name: name.to_owned(), key: Some(rest.strip_suffix(')')?.to_owned()) },
            None => Self { name: text, key: None },
        })
    }
}

/// A percent-decoded part of a path. `None` if it is not encoded correctly.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        if first == b'%' {
            let code = std::str::from_utf8(behind.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(code, 16).ok()?);
            rest = &behind[2..];
        } else {
            bytes.push(first);
            rest = behind;
        }
    }
    String::from_utf8(bytes).ok()
}
