//! What GitLab says about a login.

use super::errors::message;
use crate::api::Reason;
use crate::portal::rest::{Document, Refusal, RestClient};
use crate::portal::{Delivery, PortalError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

/// The most entries on a page.
const PAGE_SIZE: usize = 100;
const MAX_PAGES: usize = 3;

/// `GET /version` (`lib/api/metadata.rb`).
#[derive(Deserialize)]
struct Version {
    version: String,
}

/// The part of `PersonalAccessToken` in `lib/api/entities/personal_access_token.rb` that is used. The access token of a project
/// or of a group is the personal access token of a bot.
#[derive(Debug, Deserialize)]
pub(super) struct OwnToken {
    pub name: String,
    pub scopes: Vec<String>,
    pub user_id: i64,
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// The part of `UserPublic` that is used.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub id: i64,
    pub username: String,
    /// Only shown to an administrator.
    #[serde(default)]
    pub is_admin: bool,
}

/// The part of `ProjectWithAccess` in `lib/api/entities/project_with_access.rb` that is used.
#[derive(Debug, Deserialize)]
pub(super) struct Project {
    pub id: i64,
    pub path_with_namespace: String,
    /// The part in front of the names of its images (`container_registry_url` in `lib/api/entities/project.rb`).
    #[serde(default)]
    pub container_registry_image_prefix: Option<String>,
    #[serde(default)]
    pub container_registry_access_level: Option<String>,
    #[serde(default)]
    permissions: Option<ProjectPermissions>,
}

impl Project {
    /// The access level of the login, as a member of the project or of its group.
    pub fn access_level(&self) -> Option<i64> {
        let permissions = self.permissions.as_ref()?;
        let levels = [&permissions.project_access, &permissions.group_access];
        levels.into_iter().flatten().map(|access| access.access_level).max()
    }
}

#[derive(Debug, Deserialize)]
struct ProjectPermissions {
    #[serde(default)]
    project_access: Option<Access>,
    #[serde(default)]
    group_access: Option<Access>,
}

#[derive(Debug, Deserialize)]
struct Access {
    access_level: i64,
}

/// The part of `Group` that is used.
#[derive(Debug, Deserialize)]
pub(super) struct Group {
    pub id: i64,
    pub full_path: String,
}

/// The login at one GitLab.
pub(super) struct Account<'a> {
    pub client: &'a RestClient,
}

impl Account<'_> {
    /// The version.
    pub async fn version(&self) -> Result<Option<String>, PortalError> {
        let found = self.read::<Version>(self.address(&["version"]), &[403, 404], "its version").await?;
        Ok(found.map(|document| document.content.version))
    }

    /// The access token itself. `None` for another kind of token, and in GitLab before 15.5
    /// (`lib/api/personal_access_tokens/self_information.rb`).
    pub async fn own_token(&self) -> Result<Option<OwnToken>, PortalError> {
        let url = self.address(&["personal_access_tokens", "self"]);
        let found = self.read(url, &[400, 403, 404], "the access token itself").await?;
        Ok(found.map(|document| document.content))
    }

    /// The user of the access token; `None` if its scopes do not allow this.
    pub async fn user(&self) -> Result<Option<User>, PortalError> {
        let found = self.read(self.address(&["user"]), &[403, 404], "its user").await?;
        Ok(found.map(|document| document.content))
    }

    /// The project with this id or path; `None` if the login does not see it.
    pub async fn project(&self, name: &str) -> Result<Option<Project>, PortalError> {
        let found = self.read(self.address(&["projects", name]), &[404], "the project").await?;
        Ok(found.map(|document| document.content))
    }

    /// The group with this id or path; `None` if the login does not see it.
    pub async fn group(&self, name: &str) -> Result<Option<Group>, PortalError> {
        let mut url = self.address(&["groups", name]);
        url.query_pairs_mut().append_pair("with_projects", "false");
        Ok(self.read(url, &[404], "the group").await?.map(|document| document.content))
    }

    /// The access level of a user in a group or in one of the groups above it; `None` if the user is no member.
    pub async fn group_access(&self, group: i64, user: i64) -> Result<Option<i64>, PortalError> {
        let (group, user) = (group.to_string(), user.to_string());
        let url = self.address(&["groups", &group, "members", "all", &user]);
        let found = self.read::<Access>(url, &[404], "the members of the group").await?;
        Ok(found.map(|document| document.content.access_level))
    }

    /// The projects in which the login has this access level, the first ones if there are too many; whether these are all.
    pub async fn projects(&self, level: i64) -> Result<(Vec<Project>, bool), PortalError> {
        self.pages("projects", level, "the projects").await
    }

    /// The same for groups.
    pub async fn groups(&self, level: i64) -> Result<(Vec<Group>, bool), PortalError> {
        self.pages("groups", level, "the groups").await
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        kind: &str,
        level: i64,
        what: &str,
    ) -> Result<(Vec<T>, bool), PortalError> {
        let mut all = vec![];
        for page in 1..=MAX_PAGES {
            let mut url = self.address(&[kind]);
            url.query_pairs_mut()
                .append_pair("min_access_level", &level.to_string())
                .append_pair("order_by", "id")
                .append_pair("per_page", &PAGE_SIZE.to_string())
                .append_pair("page", &page.to_string());
            let Some(found) = self.read::<Vec<T>>(url, &[], what).await? else { break };
            let length = found.content.len();
            all.extend(found.content);
            if length < PAGE_SIZE {
                return Ok((all, true));
            }
        }
        Ok((all, false))
    }

    fn address(&self, segments: &[&str]) -> Url {
        self.client.address(&[&["api", "v4"], segments].concat())
    }

    async fn read<T: DeserializeOwned>(
        &self,
        url: Url,
        absent: &[u16],
        what: &str,
    ) -> Result<Option<Document<T>>, PortalError> {
        let source = self.client.credentials_source();
        self.client.read(url, absent, |refusal| explain(refusal, what, source)).await
    }
}

/// Maps a response that is not 2xx.
fn explain(refusal: &Refusal, what: &str, credentials_source: &str) -> PortalError {
    let message = message(&refusal.body);
    let message = message.as_deref();
    match refusal.code {
        401 => refusal.unauthorized(&super::NAMES, credentials_source, message),
        403 => refusal.error(
            Delivery::Rejected,
            Reason::AccessDenied,
            format!(
                "GitLab does not allow the login to read {what} (HTTP 403): this requires an access token with the scope api{}",
                Refusal::detail(message)
            ),
        ),
        404 => refusal.api_not_found(&super::NAMES),
        _ => refusal.general_error(&super::NAMES, message),
    }
}
