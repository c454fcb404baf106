//! What a path of the portal leads to.

use super::config::Config;
use super::requests::Operation;

/// What a path leads to.
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
    /// One row of it, by what is between the parentheses.
    Row(String),
    /// A task.
    Task(Operation),
    /// Nothing within the application.
    Unknown,
    /// Nothing within Indicium.
    Nothing,
}

impl Target {
    pub(super) fn of(config: &Config, path: &str) -> Self {
        let path = decoded(path);
        let Some(path) = path.strip_prefix(config.root.as_str()) else { return Self::Nothing };
        match path {
            "/.well-known/openid-configuration" => return Self::Discovery,
            "/connect/token" => return Self::TokenEndpoint,
            _ => {}
        }
        let Some(path) = path.strip_prefix("/iam/") else { return Self::Nothing };
        let (application, resource) = path.split_once('/').unwrap_or((path, ""));
        if application == config.application { Self::resource(config, resource) } else { Self::OtherApplication }
    }

    fn resource(config: &Config, resource: &str) -> Self {
        let names = &config.names;
        let is = |name: &str| resource == name;
        match resource {
            "" => Self::Service,
            "$metadata" => Self::Metadata,
            _ if is(&names.table) => Self::Table,
            _ if is(&names.request.task) => Self::Task(Operation::Request),
            _ if is(&names.edit.task) => Self::Task(Operation::Edit),
            _ if is(&names.revoke.task) => Self::Task(Operation::Revoke),
            _ => resource
                .strip_prefix(names.table.as_str())
                .and_then(|rest| rest.strip_prefix('(')?.strip_suffix(')'))
                .map_or(Self::Unknown, |key| Self::Row(key.to_owned())),
        }
    }

    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Discovery | Self::TokenEndpoint => Operation::Auth,
            Self::Service | Self::Metadata => Operation::Metadata,
            Self::Table | Self::Row(_) => Operation::List,
            Self::Task(task) => *task,
            Self::OtherApplication | Self::Unknown | Self::Nothing => Operation::Other,
        }
    }
}

/// A path without percent signs.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let code = (first == b'%').then(|| behind.get(..2)).flatten();
        let byte = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
