//! The configuration of a fake portal: names, credentials, limits and behavior.

use super::forms::Forms;
use super::habits::Habits;
use super::keys::KeyShape;
use super::names::Names;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// How a fake portal behaves. All of it can be changed while it runs
/// ([`FakePortal::configure`](super::FakePortal::configure)), except fields that are documented as read once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "each is an independent setting")]
pub struct Config {
    /// HTTPS with its own CA; otherwise plain HTTP. Read once, at start.
    pub tls: bool,
    /// Offers HTTP/2. Off by default, because a dropped connection would affect other requests too. Read once, at
    /// start.
    pub http2: bool,
    /// Ports to listen on; 0 is any free one. Read once, at start.
    pub ports: Ports,
    /// The host in every address that the fake portal returns.
    pub host: String,
    /// Additional names or addresses in the server's certificate. Read once, at start.
    pub extra_names: Vec<String>,
    /// The path of Indicium's root.
    pub root: String,
    /// The application's id or alias.
    pub application: String,
    /// The users that may log in with HTTP Basic.
    pub basic: Vec<Login>,
    /// The clients that may request a bearer token with client credentials.
    pub clients: Vec<Login>,
    /// Users and clients that can log in, but may not see the application.
    pub denied: Vec<String>,
    /// How long a bearer token is valid.
    pub bearer_seconds: u64,
    /// Status for wrong client credentials at the token endpoint (identity servers differ: 400 or 401).
    pub client_refusal: u16,
    /// The delay before a task is applied.
    #[serde(rename = "latency_ms", with = "millis")]
    pub latency: Duration,
    /// The delay of any other portal request.
    #[serde(rename = "read_latency_ms", with = "millis")]
    pub read_latency: Duration,
    /// Rows in one response: platform 2026.1 and newer limit it to 1,000.
    pub page_size: usize,
    /// How the next page is addressed.
    pub next_link: NextLink,
    /// Returns a next page's address relative to the application.
    pub relative_next_link: bool,
    /// The maximum length of a description; a longer one is rejected.
    pub description_max_length: Option<usize>,
    /// How many tokens may exist at the same time; a request for another one is rejected.
    pub max_tokens: Option<usize>,
    /// Trims blanks from a description before it is stored.
    pub trim_descriptions: bool,
    /// Also collapses repeated blanks and capitalizes the first letter.
    pub tidy_descriptions: bool,
    /// Compares texts case-insensitively, as common database collations do.
    pub ignore_case: bool,
    /// The status of a rejection by a business rule, for which none is documented.
    pub refusal_status: u16,
    /// Puts the details of an error into an array: both shapes occur.
    pub messages_as_array: bool,
    /// Adds a `TranslatedMessage` to the details of an error, as newer versions do.
    pub translated_messages: bool,
    /// The prefix of a username; its number follows.
    pub username_prefix: String,
    /// Names of table, columns, tasks and parameters.
    pub names: Names,
    /// The shape of the table's key.
    pub key: KeyShape,
    /// In which form each task is published.
    pub forms: Forms,
    /// Rejects parameters in an order other than the declared one. Indicium applies them in the order of the body, so
    /// another order may have another result.
    pub strict_order: bool,
    /// Shows null properties; many versions omit them.
    pub show_nulls: bool,
    /// Adds tables and tasks in addition to those for tokens.
    pub decoys: bool,
    /// Which tokens the operator's user sees.
    pub visible: Visible,
    /// The table is not visible to the operator's user: nothing shows that it exists.
    pub table_hidden: bool,
    /// How long it takes until the list shows a new or revoked token.
    #[serde(rename = "list_lag_ms", with = "millis")]
    pub list_lag: Duration,
    /// Additional XML inside the schema of `$metadata`.
    pub extra_schema: String,
    /// Additional XML inside the entity container of `$metadata`.
    pub extra_container: String,
    /// Which authentication the registry requires.
    pub registry_challenge: Challenge,
    /// How long it takes until the registry knows a new or revoked token.
    #[serde(rename = "registry_lag_ms", with = "millis")]
    pub registry_lag: Duration,
    /// Behavior that the vendor documents, and behavior of other servers.
    pub habits: Habits,
}

/// Ports to listen on; 0 is any free one.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ports {
    /// The portal's port.
    pub portal: u16,
    /// The registry's port.
    pub registry: u16,
    /// The port of the control interface; none if absent.
    pub control: Option<u16>,
}

/// A name and its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// A user's name or a client's id.
    pub name: String,
    /// Its password or client secret.
    pub secret: String,
}

/// Which tokens a user sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visible {
    /// All tokens of the company, as by the portal's rules.
    #[default]
    All,
    /// Those that the user requested, as after a change of the user's role.
    Own,
    /// This percentage of them.
    Percent(u8),
}

/// How the server addresses the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NextLink {
    /// By the last key (`$skiptoken`): rows that are deleted meanwhile shift nothing.
    SkipToken,
    /// By a number of rows (`$skip`): if rows are deleted meanwhile, later rows are skipped.
    Skip,
}

/// Which authentication the registry requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Challenge {
    /// A bearer token from a token endpoint.
    Bearer,
    /// The credentials with each request.
    Basic,
    /// None: it accepts anonymous clients, and any credentials.
    Anonymous,
}

impl Config {
    /// How the portal stores a description.
    #[must_use]
    pub fn stored(&self, text: &str) -> String {
        if self.tidy_descriptions {
            let words: Vec<&str> = text.split_whitespace().collect();
            let text = words.join(" ");
            let mut letters = text.chars();
            return letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect());
        }
        if self.trim_descriptions { text.trim().to_owned() } else { text.to_owned() }
    }

    /// This configuration with parts replaced by those in a JSON object, at any depth.
    ///
    /// # Errors
    ///
    /// If the result is not a configuration.
    pub fn overlaid(&self, over: Value) -> serde_json::Result<Self> {
        let mut config = serde_json::to_value(self)?;
        merge(&mut config, over);
        serde_json::from_value(config)
    }
}

fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (name, value) in over {
                merge(base.entry(name).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

impl Login {
    /// A login.
    #[must_use]
    pub fn new(name: &str, secret: &str) -> Self {
        Self { name: name.to_owned(), secret: secret.to_owned() }
    }

    /// Whether the name and secret match.
    #[must_use]
    pub fn is(&self, name: &str, secret: &str) -> bool {
        self.name == name && self.secret == secret
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tls: true,
            http2: false,
            ports: Ports::default(),
            host: "localhost".to_owned(),
            extra_names: Vec::new(),
            root: "/indicium".to_owned(),
            application: "tcp".to_owned(),
            basic: vec![Login::new("k8s", "portal-password")],
            clients: vec![Login::new("operator", "client-secret")],
            denied: Vec::new(),
            bearer_seconds: 3600,
            client_refusal: 401,
            latency: Duration::ZERO,
            read_latency: Duration::ZERO,
            page_size: 1000,
            next_link: NextLink::SkipToken,
            relative_next_link: false,
            description_max_length: None,
            max_tokens: None,
            trim_descriptions: false,
            tidy_descriptions: false,
            ignore_case: false,
            refusal_status: 400,
            messages_as_array: false,
            translated_messages: false,
            username_prefix: "tw-".to_owned(),
            names: Names::default(),
            key: KeyShape::default(),
            forms: Forms::default(),
            strict_order: true,
            show_nulls: false,
            decoys: true,
            visible: Visible::All,
            table_hidden: false,
            list_lag: Duration::ZERO,
            extra_schema: String::new(),
            extra_container: String::new(),
            registry_challenge: Challenge::Bearer,
            registry_lag: Duration::ZERO,
            habits: Habits::default(),
        }
    }
}

/// A duration as a number of whole milliseconds.
mod millis {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
