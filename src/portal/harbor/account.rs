//! What Harbor says about a login.

use super::errors::{ErrorContext, NAMES, Operation, explain};
use crate::portal::PortalError;
use crate::portal::rest::{Document, Refusal, RestClient, total_count};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

/// The most projects on a page (`pageSize` in `api/v2.0/swagger.yaml`).
const PAGE_SIZE: usize = 100;
const MAX_PAGES: usize = 5;
/// The id of the role *Project Admin* (`RoleProjectAdmin` in `src/common/const.go`).
const PROJECT_ADMIN: i64 = 1;

/// The part of `GeneralInfo` in `api/v2.0/swagger.yaml` that is used.
#[derive(Deserialize)]
struct SystemInfo {
    #[serde(default)]
    harbor_version: Option<String>,
}

/// The part of `UserResp` that is used.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub username: String,
    #[serde(default)]
    pub sysadmin_flag: bool,
    /// Set if a group of the login is that of administrators, such as in LDAP.
    #[serde(default)]
    admin_role_in_auth: bool,
}

impl User {
    /// Whether this is an administrator of Harbor.
    pub const fn is_admin(&self) -> bool {
        self.sysadmin_flag || self.admin_role_in_auth
    }
}

/// The part of `Project` that is used.
#[derive(Debug, Deserialize)]
pub(super) struct Project {
    #[serde(rename = "project_id")]
    pub id: i64,
    pub name: String,
    #[serde(default)]
    current_user_role_ids: Option<Vec<i64>>,
    #[serde(default)]
    current_user_role_id: i64,
}

impl Project {
    /// Whether the user who logs in administers it.
    pub fn is_administered(&self) -> bool {
        self.current_user_role_id == PROJECT_ADMIN
            || self.current_user_role_ids.iter().flatten().any(|id| *id == PROJECT_ADMIN)
    }
}

/// `Permission`: what the login may do.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Permission {
    pub resource: String,
    pub action: String,
}

/// What the login may do in a project or in the system.
pub(super) struct Permissions(Vec<Permission>);

impl Permissions {
    /// Whether it may perform this action on this kind of resource.
    pub fn allow(&self, resource: &str, action: &str) -> bool {
        self.0.iter().any(|one| one.resource == resource && one.action == action)
    }

    /// The actions on robot accounts.
    pub fn robot_actions(&self) -> Vec<&str> {
        self.0.iter().filter(|one| one.resource == "robot").map(|one| one.action.as_str()).collect()
    }
}

/// The login at one Harbor.
pub(super) struct Account<'a> {
    pub client: &'a RestClient,
}

impl Account<'_> {
    /// The version, which Harbor may show to those who log in only (`GetSystemInfo` in
    /// `src/server/v2.0/handler/systeminfo.go`).
    pub async fn version(&self) -> Result<Option<String>, PortalError> {
        let found = self.read::<SystemInfo>(self.address(&["systeminfo"]), &[403, 404], None).await?;
        Ok(found.and_then(|document| document.content.harbor_version))
    }

    /// The user who logs in; `None` for a robot account (`GetCurrentUserInfo` in `src/server/v2.0/handler/user.go`).
    pub async fn current_user(&self) -> Result<Option<User>, PortalError> {
        let found = self.read(self.address(&["users", "current"]), &[403, 412], None).await?;
        Ok(found.map(|document| document.content))
    }

    /// The project of this name.
    pub async fn project(&self, name: &str) -> Result<Option<Project>, PortalError> {
        let found = self.read(self.address(&["projects", name]), &[], Some(name)).await?;
        Ok(found.map(|document| document.content))
    }

    /// What the login may do in this project, or in the system. Harbor checks each of its policies for the login, a user or a
    /// robot account (`GetCurrentUserPermissions` in `src/server/v2.0/handler/user.go`). `None` if this version does not say it.
    pub async fn permissions(&self, project: Option<i64>) -> Result<Option<Permissions>, PortalError> {
        let mut url = self.address(&["users", "current", "permissions"]);
        let scope = project.map_or_else(|| "/system".to_owned(), |id| format!("/project/{id}"));
        url.query_pairs_mut().append_pair("scope", &scope).append_pair("relative", "true");
        let found = self.read::<Option<Vec<Permission>>>(url, &[403, 404, 412], None).await?;
        Ok(found.map(|document| Permissions(document.content.unwrap_or_default())))
    }

    /// The projects that the login sees, the first ones if there are too many; whether these are all.
    pub async fn projects(&self) -> Result<(Vec<Project>, bool), PortalError> {
        let mut all: Vec<Project> = vec![];
        for page in 1..=MAX_PAGES {
            let mut url = self.address(&["projects"]);
            url.query_pairs_mut()
                .append_pair("sort", "name")
                .append_pair("page", &page.to_string())
                .append_pair("page_size", &PAGE_SIZE.to_string());
            let Some(found) = self.read::<Option<Vec<Project>>>(url, &[], None).await? else { break };
            let projects = found.content.unwrap_or_default();
            let length = projects.len();
            all.extend(projects);
            let total = total_count(&found.headers, "X-Total-Count");
            if length == 0 || total.map_or(length < PAGE_SIZE, |total| all.len() >= total) {
                return Ok((all, true));
            }
        }
        Ok((all, false))
    }

    fn address(&self, segments: &[&str]) -> Url {
        self.client.address(&[&["api", "v2.0"], segments].concat())
    }

    async fn read<T: DeserializeOwned>(
        &self,
        url: Url,
        absent: &[u16],
        project: Option<&str>,
    ) -> Result<Option<Document<T>>, PortalError> {
        let context = ErrorContext { project, credentials_source: self.client.credentials_source() };
        let explain = |refusal: &Refusal| match refusal.code {
            404 if project.is_none() => refusal.api_not_found(&NAMES),
            _ => explain(refusal, Operation::List, context),
        };
        self.client.read(url, absent, explain).await
    }
}
