//! The issuer spec for a portal, derived from the portal's configuration.

use super::{Auth, SECRET};
use crate::fake_portal::config::Config;
use crate::fake_portal::declared::{Declared, Meaning, Parameter};
use crate::fake_portal::forms::Form;
use crate::fake_portal::keys::FixedPart;
use crate::fake_portal::requests::Operation;
use crate::fake_portal::run::FakePortal;
use serde_json::{Map, Value, json};

const TASKS: [(Operation, &str); 3] =
    [(Operation::Request, "request"), (Operation::Edit, "editDescription"), (Operation::Revoke, "revoke")];

pub(super) fn minimal(auth: Auth, portal: &FakePortal) -> Value {
    let config = portal.config();
    let mut spec = place(auth, portal, false);
    if !config.key.fixed.is_empty() && !config.table_hidden {
        spec["table"] = json!({"key": key(&config)});
    }
    let mut tasks = Map::new();
    for (task, field) in TASKS {
        let declared = Declared::of(&config, task);
        let mut written = Map::new();
        if task == Operation::Request && declared.form.form.is_bound() {
            written.insert("boundTo".to_owned(), bound_to(&config));
        }
        // The required value of a parameter is not in `$metadata`.
        let has_value = |parameter: &&Parameter| parameter.value().is_some();
        if declared.wanted().iter().any(has_value) {
            written.insert("parameters".to_owned(), parameters(&declared));
        }
        if !written.is_empty() {
            tasks.insert(field.to_owned(), Value::Object(written));
        }
    }
    if !tasks.is_empty() {
        spec["tasks"] = Value::Object(tasks);
    }
    spec
}

pub(super) fn pinned(auth: Auth, portal: &FakePortal) -> Value {
    let config = portal.config();
    let mut spec = place(auth, portal, true);
    if !config.table_hidden {
        spec["table"] = table(&config);
    }
    for (task, field) in TASKS {
        spec["tasks"][field] = pinned_task(&config, task);
    }
    spec
}

/// The address, the login, and the CA.
fn place(auth: Auth, portal: &FakePortal, with_token_url: bool) -> Value {
    let config = portal.config();
    let secret = json!({"secretRef": {"name": SECRET}});
    let mut spec = json!({"url": portal.portal_url(), "application": config.application});
    spec["auth"] = match auth {
        Auth::Basic => json!({"type": "Basic", "basic": secret}),
        Auth::ClientCredentials => json!({"type": "OAuth2ClientCredentials", "oauth2ClientCredentials": secret}),
    };
    if auth == Auth::ClientCredentials && with_token_url {
        spec["auth"]["oauth2ClientCredentials"]["tokenURL"] = json!(format!("{}/connect/token", portal.portal_url()));
    }
    if config.tls {
        spec["tls"] = json!({"caBundle": portal.ca_pem()});
    } else {
        spec["allowInsecureHTTP"] = json!(true);
    }
    spec
}

fn table(config: &Config) -> Value {
    let names = &config.names;
    let mut table = json!({
        "name": names.table,
        "key": key(config),
        "columns": {"username": names.username, "description": names.description},
    });
    if let Some(length) = config.description_max_length {
        table["descriptionMaxLength"] = json!(length);
    }
    table
}

/// The columns of the key whose values an issuer can know. The one that differs between rows is not among them: it is
/// read from the row.
fn key(config: &Config) -> Value {
    let mut key = columns(&config.key.fixed);
    key.push(json!({"column": config.names.key, "from": "TokenID"}));
    json!(key)
}

fn columns(parts: &[FixedPart]) -> Vec<Value> {
    parts.iter().map(|part| json!({"column": part.column, "value": part.text()})).collect()
}

fn bound_to(config: &Config) -> Value {
    let to = &config.forms.bound_to;
    json!({"table": to.table, "key": columns(&to.key)})
}

fn pinned_task(config: &Config, task: Operation) -> Value {
    let declared = Declared::of(config, task);
    let form = match declared.form.form {
        Form::Unbound => "Unbound",
        Form::Bound | Form::BoundEither => "Bound",
        Form::UnboundStaged => "UnboundStaged",
        Form::BoundStaged => "BoundStaged",
    };
    let mut written = json!({"name": declared.name, "form": form, "parameters": parameters(&declared)});
    if task == Operation::Request {
        let names = &config.names.request;
        written["outputs"] = json!({"username": names.username, "secret": names.secret});
        if let Some(id) = &names.id {
            written["outputs"]["id"] = json!(id);
        }
        if declared.form.form.is_bound() {
            written["boundTo"] = bound_to(config);
        }
    }
    written
}

fn parameters(declared: &Declared<'_>) -> Value {
    let written = |parameter: &&Parameter| match (&parameter.meaning, parameter.value()) {
        (_, Some(value)) => json!({"name": parameter.name, "value": value}),
        (Meaning::Id, _) => json!({"name": parameter.name, "from": "TokenID"}),
        (Meaning::Username, _) => json!({"name": parameter.name, "from": "Username"}),
        _ => json!({"name": parameter.name, "from": "Description"}),
    };
    declared.wanted().iter().map(written).collect()
}

impl Parameter {
    /// The value that it must have, as written in an issuer's spec.
    fn value(&self) -> Option<String> {
        match &self.meaning {
            Meaning::Confirm => Some("true".to_owned()),
            Meaning::Fixed(value) => Some(FixedPart::new(&self.name, value.clone()).text()),
            _ => None,
        }
    }
}
