//! What the simulator stands for: names, credentials, limits and moods of a portal.

use super::forms::Forms;
use super::habits::Habits;
use super::keys::KeyShape;
use super::names::Names;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// How a simulator behaves. All of it can be changed while it runs
/// ([`Simulator::configure`](super::Simulator::configure)), but for what says that it is read once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "each is a mood of its own")]
pub struct Config {
    /// HTTPS with a CA of its own; else plain HTTP. Read once, at start.
    pub tls: bool,
    /// Offers HTTP/2. Off by default, for a dropped connection would take other requests along.
    /// Read once, at start.
    pub http2: bool,
    /// Ports to listen on; 0 is any free one. Read once, at start.
    pub ports: Ports,
    /// The host in every address that the simulator gives out.
    pub host: String,
    /// More names or addresses in the server's certificate. Read once, at start.
    pub extra_names: Vec<String>,
    /// The path of Indicium's root.
    pub root: String,
    /// The application's id or alias.
    pub application: String,
    /// Who may log in with HTTP Basic.
    pub basic: Vec<Login>,
    /// Who may ask for a bearer token with client credentials.
    pub clients: Vec<Login>,
    /// Users and clients that log in, but may not see the application.
    pub denied: Vec<String>,
    /// How long a bearer token is valid.
    pub bearer_seconds: u64,
    /// Status for wrong client credentials at the token endpoint (identity servers differ: 400 or 401).
    pub client_refusal: u16,
    /// How long a task takes, before it is applied.
    #[serde(rename = "latency_ms", with = "millis")]
    pub latency: Duration,
    /// How long any other request of the portal takes.
    #[serde(rename = "read_latency_ms", with = "millis")]
    pub read_latency: Duration,
    /// Rows in one answer: platform 2026.1 and newer cap it at 1,000.
    pub page_size: usize,
    /// How the next page is found.
    pub next_link: NextLink,
    /// Gives a next page's address relative to the application.
    pub relative_next_link: bool,
    /// Longest description; a longer one is refused.
    pub description_max_length: Option<usize>,
    /// Cuts blanks off a description before it is stored.
    pub trim_descriptions: bool,
    /// Does that, makes one blank of several within it, and its first letter a capital one.
    pub tidy_descriptions: bool,
    /// Compares texts without regard to case, as common database collations do.
    pub ignore_case: bool,
    /// Status of a refusal by a business rule, for which no code is documented.
    pub refusal_status: u16,
    /// Puts the details of an error into an array: both shapes have been seen.
    pub messages_as_array: bool,
    /// Adds a `TranslatedMessage` to the details of an error, as newer versions do.
    pub translated_messages: bool,
    /// What a username begins with; its number follows.
    pub username_prefix: String,
    /// Names of table, columns, tasks and parameters.
    pub names: Names,
    /// What the key of the table looks like.
    pub key: KeyShape,
    /// In which form each task is published.
    pub forms: Forms,
    /// Refuses parameters that come in another order than they are declared in. Indicium applies
    /// them in the order of the body, so that another order may make another thing of them.
    pub strict_order: bool,
    /// Shows properties that are null; many versions leave them out.
    pub show_nulls: bool,
    /// Tables and tasks beside those for tokens.
    pub decoys: bool,
    /// Which tokens our user sees.
    pub visible: Visible,
    /// The table is not visible to our user: it is not there, wherever one looks for it.
    pub table_hidden: bool,
    /// How long the list takes to learn of a new or revoked token.
    #[serde(rename = "list_lag_ms", with = "millis")]
    pub list_lag: Duration,
    /// More XML inside the schema of `$metadata`.
    pub extra_schema: String,
    /// More XML inside the entity container of `$metadata`.
    pub extra_container: String,
    /// How the registry asks for credentials.
    pub registry_challenge: Challenge,
    /// How long the registry takes to learn of a new or revoked token.
    #[serde(rename = "registry_lag_ms", with = "millis")]
    pub registry_lag: Duration,
    /// What the vendor says of its portal, and what other servers do.
    pub habits: Habits,
}

/// Ports to listen on; 0 is any free one.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ports {
    /// Of the portal.
    pub portal: u16,
    /// Of the registry.
    pub registry: u16,
    /// Of the control interface; absent: there is none.
    pub control: Option<u16>,
}

/// A name and the secret that goes with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// A user's name or a client's id.
    pub name: String,
    /// Its password or secret.
    pub secret: String,
}

/// Which tokens a user sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visible {
    /// All of the company, as the portal's rules say.
    #[default]
    All,
    /// Those that the user requested, as after a change of the user's role.
    Own,
    /// So many of a hundred.
    Percent(u8),
}

/// How the server leads to the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NextLink {
    /// By the last key (`$skiptoken`): rows that vanish meanwhile move nothing.
    SkipToken,
    /// By a count of rows (`$skip`): rows that vanish meanwhile make later ones be missed.
    Skip,
}

/// How the registry asks for credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Challenge {
    /// A bearer token, to be had at a token endpoint.
    Bearer,
    /// The credentials with each request.
    Basic,
}

impl Config {
    /// What the portal makes of a description.
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

    /// This configuration with some of it replaced by what a JSON object gives, at any depth.
    ///
    /// # Errors
    ///
    /// If the outcome is no configuration.
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

    /// Whether these are its name and secret.
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

/// A duration as a whole number of milliseconds.
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
