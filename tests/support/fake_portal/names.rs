//! The names under which the portal publishes its table and tasks. The real ones are not public, and some of this
//! portal's tables have Dutch names: so tests use more than one set.

use serde::{Deserialize, Serialize};

/// Names of the table, its columns and its tasks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Names {
    /// The table of tokens.
    pub table: String,
    /// Its key column, an integer.
    pub key: String,
    /// Its column of usernames.
    pub username: String,
    /// Its column of descriptions.
    pub description: String,
    /// The task that requests a token.
    pub request: RequestNames,
    /// The task that changes a description.
    pub edit: EditNames,
    /// The task that revokes a token.
    pub revoke: RevokeNames,
}

/// The task that requests a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestNames {
    /// Its name.
    pub task: String,
    /// Input: the description.
    pub description: String,
    /// Output: the username.
    pub username: String,
    /// Output: the password.
    pub secret: String,
    /// Output: the id of the new row. Absent: it has to be looked up.
    #[serde(default)]
    pub id: Option<String>,
}

/// The task that changes a description.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditNames {
    /// Its name.
    pub task: String,
    /// Input: the id, or the username.
    pub id: String,
    /// Input: the description.
    pub description: String,
    /// The first input is the username.
    #[serde(default)]
    pub by_username: bool,
}

/// The task that revokes a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeNames {
    /// Its name.
    pub task: String,
    /// Input: the id, or the username.
    pub id: String,
    /// Input: a boolean that must be true, if there is one.
    #[serde(default)]
    pub confirm: Option<String>,
    /// The first input is the username.
    #[serde(default)]
    pub by_username: bool,
}

impl Default for Names {
    fn default() -> Self {
        let [id, username, description] = ["container_token_id", "username", "description"].map(str::to_owned);
        Self {
            table: "container_token".to_owned(),
            key: id.clone(),
            username: username.clone(),
            description: description.clone(),
            request: RequestNames {
                task: "request_token".to_owned(),
                description: description.clone(),
                username,
                secret: "secret".to_owned(),
                id: None,
            },
            edit: EditNames {
                task: "edit_token_description".to_owned(),
                id: id.clone(),
                description,
                by_username: false,
            },
            revoke: RevokeNames { task: "revoke_token".to_owned(), id, confirm: None, by_username: false },
        }
    }
}

impl Names {
    /// The usual names, with tasks that take a username instead of an id.
    #[must_use]
    pub fn by_username() -> Self {
        let mut names = Self::default();
        names.edit.id = names.username.clone();
        names.edit.by_username = true;
        names.revoke.id = names.username.clone();
        names.revoke.by_username = true;
        names
    }

    /// Dutch names, with an id in the response and a flag to confirm a revocation.
    #[must_use]
    pub fn dutch() -> Self {
        let [id, username, description] = ["klant_token_id", "gebruikersnaam", "omschrijving"].map(str::to_owned);
        Self {
            table: "klant_token".to_owned(),
            key: id.clone(),
            username: username.clone(),
            description: description.clone(),
            request: RequestNames {
                task: "token_aanvragen".to_owned(),
                description: description.clone(),
                username,
                secret: "geheim".to_owned(),
                id: Some(id.clone()),
            },
            edit: EditNames {
                task: "token_omschrijving_wijzigen".to_owned(),
                id: id.clone(),
                description,
                by_username: false,
            },
            revoke: RevokeNames {
                task: "token_intrekken".to_owned(),
                id,
                confirm: Some("bevestigd".to_owned()),
                by_username: false,
            },
        }
    }
}
