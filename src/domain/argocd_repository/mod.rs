//! The second Secret of an object, from which Argo CD reads a login: what it contains, whose it is, and what to do about
//! it. Pure: the controller reads and writes the Secrets.
//!
//! The pull secret is the only source of the login. The second Secret is derived from it, so nothing is lost with it. Its
//! name and the token whose login it may have are recorded in status before it is created: it is deleted in any case, and
//! that token is not revoked before the Secret has the next login.

mod report;

pub use self::report::{Report, prepared, report};

use crate::api::{
    ARGOCD_ROLE, ArgoCDRepository, ArgoCDRepositoryType, OWNER_LABEL, ROLE_LABEL, RecordedArgoCDRepository, key_covers,
};
use crate::domain::model::hash::hash;
use std::collections::BTreeMap;

/// Type of the Secret.
pub const SECRET_TYPE: &str = "Opaque";
/// The label by which Argo CD finds the Secret. The value says what it is.
pub const ARGOCD_LABEL: &str = "argocd.argoproj.io/secret-type";
/// Keys of the login in the Secret's data.
pub const LOGIN_KEYS: [&str; 2] = ["username", "password"];

/// The Secret that the spec wants, without the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    pub name: String,
    /// Value of [`ARGOCD_LABEL`].
    pub argocd_type: &'static str,
    /// Its data, except the login.
    pub settings: BTreeMap<&'static str, String>,
    url: String,
}

impl Desired {
    /// The Secret of the object with this name and this pull secret.
    #[must_use]
    pub fn new(spec: &ArgoCDRepository, object: &str, pull_secret: &str) -> Self {
        let mut settings =
            BTreeMap::from([("type", "helm".to_owned()), ("enableOCI", "true".to_owned()), ("url", spec.url.clone())]);
        let argocd_type = match spec.kind {
            ArgoCDRepositoryType::Repository => {
                settings.insert("name", object.to_owned());
                settings.extend(spec.project.as_ref().map(|project| ("project", project.to_string())));
                "repository"
            }
            ArgoCDRepositoryType::RepoCreds => "repo-creds",
        };
        Self { name: spec.secret_name(pull_secret), argocd_type, settings, url: spec.url.clone() }
    }

    /// The URL of the repository.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the URL is in one of the registries of the pull secret, which are those of the issuer.
    #[must_use]
    pub fn is_served(&self, registries: &[String]) -> bool {
        registries.iter().any(|key| key_covers(key, &self.url))
    }

    /// A hash of everything on which the Secret depends, except the token. `registries` is the hash of the registries of
    /// the pull secret.
    #[must_use]
    pub fn hash(&self, registries: &str) -> String {
        let settings = self.settings.iter().flat_map(|(key, value)| [*key, value.as_str()]);
        let parts: Vec<&str> = [registries, self.argocd_type].into_iter().chain(settings).collect();
        hash(&parts, 12)
    }
}

/// The relevant metadata of a Secret.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub is_opaque: bool,
    /// UID of its controller.
    pub controller_uid: Option<&'a str>,
    pub labels: &'a BTreeMap<String, String>,
    /// Its owner label names another object, which exists.
    pub label_names_other_object: bool,
}

/// Whether a Secret is the second Secret of the object with this UID. A controller decides alone. Without one, the labels
/// do: a restore from a backup drops owner references, and the object has another UID than in the label.
#[must_use]
pub fn is_ours(uid: &str, facts: Facts<'_>) -> bool {
    let has_role = facts.labels.get(ROLE_LABEL).is_some_and(|role| role == ARGOCD_ROLE);
    let label = facts.labels.get(OWNER_LABEL);
    let by_label = has_role && label.is_some_and(|label| label == uid || !facts.label_names_other_object);
    facts.is_opaque && facts.controller_uid.map_or(by_label, |controller| controller == uid)
}

/// Whether the record shows that the Secret has the login of the current token and the settings of this hash. `version` is
/// the Secret's version in the cache.
#[must_use]
pub fn is_current(
    record: Option<&RecordedArgoCDRepository>,
    (token_id, settings): (&str, &str),
    version: Option<&str>,
) -> bool {
    record.is_some_and(|record| {
        record.token_id.as_deref() == Some(token_id)
            && record.settings.as_deref() == Some(settings)
            && version.is_some()
            && record.resource_version.as_deref() == version
    })
}

/// The Secret as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    NotFound,
    /// It belongs to this object. Whether it is as the object wants it.
    Ours {
        matches: bool,
    },
    /// It belongs to someone else: to this owner, if it is known.
    Foreign(Option<String>),
}

/// The login in the pull secret as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The pull secret does not store the current token at this moment.
    NotStored,
    /// None of its registries has the URL.
    NotServed,
    Stored,
}

/// What to do with a Secret that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Create,
    Update,
    Delete,
    Done(State),
}

/// The state of the Secret after a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It has the login of the current token.
    Synced,
    /// The pull secret does not store the current token yet.
    Pending,
    /// No registry of the issuer has the URL. The Secret does not exist.
    NotServed,
    /// The Secret of this name belongs to someone else: to this owner, if it is known.
    Foreign(Option<String>),
    /// The API server rejects it with this message.
    Rejected(String),
    /// The API server gave no valid response.
    Unavailable(String),
    /// Others change it at this moment.
    Contended,
}

/// Decides about a Secret that was read.
#[must_use]
pub fn decide(found: Found, source: Source) -> Decision {
    match (found, source) {
        (Found::Foreign(owner), _) => Decision::Done(State::Foreign(owner)),
        (_, Source::NotStored) => Decision::Done(State::Pending),
        (Found::NotFound, Source::NotServed) => Decision::Done(State::NotServed),
        (Found::Ours { .. }, Source::NotServed) => Decision::Delete,
        (Found::NotFound, Source::Stored) => Decision::Create,
        (Found::Ours { matches: true }, Source::Stored) => Decision::Done(State::Synced),
        (Found::Ours { matches: false }, Source::Stored) => Decision::Update,
    }
}

/// The record of a Secret that is about to be created with the login of this token.
#[must_use]
pub fn new_record(name: &str, token_id: &str) -> RecordedArgoCDRepository {
    RecordedArgoCDRepository {
        name: name.to_owned(),
        token_id: Some(token_id.to_owned()),
        ..RecordedArgoCDRepository::default()
    }
}

/// The record after a check with this result. `exists` if the Secret was there when it was read.
#[must_use]
pub fn record_after(
    former: RecordedArgoCDRepository,
    exists: bool,
    state: &State,
    synced: RecordedArgoCDRepository,
) -> RecordedArgoCDRepository {
    let name_only = RecordedArgoCDRepository { name: former.name.clone(), ..RecordedArgoCDRepository::default() };
    match state {
        State::Synced => synced,
        State::NotServed | State::Foreign(_) => name_only,
        // Rejected for certain: no Secret has a login.
        State::Rejected(_) if !exists => name_only,
        // A create without a response may have succeeded.
        State::Unavailable(_) if !exists => new_record(&former.name, synced.token_id.as_deref().unwrap_or_default()),
        // It has the login that it had, and is read again.
        State::Pending | State::Rejected(_) | State::Unavailable(_) | State::Contended => {
            RecordedArgoCDRepository { resource_version: None, ..former }
        }
    }
}

#[cfg(test)]
mod tests;
