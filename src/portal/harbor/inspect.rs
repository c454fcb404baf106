//! What an issuer's login may do, before the first request.

use super::account::{Account, Permissions, User};
use super::{HarborPortal, client, spec};
use crate::api::{HarborLevel, HarborPermission};
use crate::domain::model::token_scope::ALL_PROJECTS;
use crate::portal::inspection::{Inspection, InspectionSettings, Place, Places, PlacesResult};
use crate::portal::{Credentials, PortalError};

/// The operator's calls, and the permissions that Harbor requires for them (`src/server/v2.0/handler/robot.go`).
const REQUIRED: [&str; 4] = ["create", "read", "list", "delete"];
/// What is between project and name of a robot account of a project (`populate` in `src/controller/robot/controller.go`).
const PROJECT_SEPARATOR: char = '+';
/// Issue 21406 of goharbor/harbor.
const ROBOT_OF_SYSTEM: &str = "a robot account of the system logs in, and some versions of Harbor, such as 2.12, do not let it create robot accounts of a project: if requests are denied, use one of the project, or a user";
/// How many projects are read at most.
const MAX_PROJECTS: usize = 20;

/// Reads what the login of an issuer may do. Changes nothing.
///
/// # Errors
/// As [`HarborPortal::new`].
pub async fn inspect(settings: InspectionSettings<'_>) -> Result<Inspection, PortalError> {
    let InspectionSettings { portal: settings, credentials_source } = settings;
    let username = match &settings.credentials {
        Credentials::Basic { username, .. } => username.clone(),
        _ => String::new(),
    };
    let mut portal = HarborPortal::new(settings)?;
    portal.client = portal.client.with_credentials_source(credentials_source);
    let mut inspection = Inspection::default();
    let user = match (Account { client: &portal.client }).current_user().await {
        Ok(user) => user,
        Err(failure) => {
            inspection.add_problem(failure.message);
            return Ok(inspection);
        }
    };
    if user.is_none() && portal.project().is_some() && !username.contains(PROJECT_SEPARATOR) {
        inspection.add_fact("note", ROBOT_OF_SYSTEM);
    }
    if let Err(failure) = portal.add_login(&mut inspection, user.as_ref()).await {
        inspection.add_problem(failure.message);
    }
    inspection.read_list(&portal).await;
    Ok(inspection)
}

/// Reads the projects whose robot accounts the login may create, and whether it may create those of the system. Changes
/// nothing.
///
/// # Errors
/// If the login is rejected, or the projects cannot be read.
pub async fn places(settings: InspectionSettings<'_>) -> PlacesResult {
    let InspectionSettings { portal: settings, credentials_source } = settings;
    let spec = spec(&settings)?;
    let client = client(&spec, settings)?.with_credentials_source(credentials_source);
    let account = Account { client: &client };
    let user = account.current_user().await?;
    let (projects, is_whole) = account.projects().await?;
    let mut found = Places { login: describe(user.as_ref()), places: vec![], is_partial: !is_whole };
    let is_admin = user.as_ref().is_some_and(User::is_admin);
    let mut asked = 0;
    for project in projects {
        let may_create = if user.is_some() {
            is_admin || project.is_administered()
        } else {
            // The permissions of a robot account are in no project's role.
            asked += 1;
            if asked > MAX_PROJECTS {
                found.is_partial = true;
                break;
            }
            let permissions = account.permissions(Some(project.id)).await?;
            permissions.is_some_and(|permissions| permissions.allow("robot", "create"))
        };
        if may_create {
            found.places.push(Place::Project { name: project.name, registry: None });
        }
    }
    let may_create_of_system =
        is_admin || account.permissions(None).await?.is_some_and(|permissions| permissions.allow("robot", "create"));
    if may_create_of_system {
        found.places.push(Place::System);
    }
    Ok(found)
}

impl HarborPortal {
    /// Adds version, login, projects and permissions.
    async fn add_login(&self, inspection: &mut Inspection, user: Option<&User>) -> Result<(), PortalError> {
        let account = Account { client: &self.client };
        let version = account.version().await.ok().flatten();
        inspection.add_or_unknown("version", version.ok_or("this server does not show it to the login"));
        inspection.add_fact("login", describe(user));
        self.add_superfluous(inspection);
        let Some(name) = self.project() else {
            self.add_system(inspection, &account, user).await?;
            return self.add_projects_of_system(inspection, &account, user).await;
        };
        let Some(project) = account.project(name).await? else { return Ok(()) };
        inspection.add_fact("project", format!("{name} exists"));
        match account.permissions(Some(project.id)).await? {
            None => inspection.add_unknown("permissions", "this version of Harbor does not show them"),
            Some(permissions) => {
                add_robot_actions(inspection, &format!("the project {name}"), &permissions);
                self.add_ungrantable(inspection, name, &permissions, user);
            }
        }
        Ok(())
    }

    /// Adds the field of the other level, with which the API server rejects the issuer.
    fn add_superfluous(&self, inspection: &mut Inspection) {
        let (field, is_set, level) = match self.spec.level {
            HarborLevel::Project => ("projects", self.spec.projects.is_some(), "System"),
            HarborLevel::System => ("project", self.spec.project.is_some(), "Project"),
        };
        if is_set {
            inspection
                .add_problem(format!("spec.harbor.{field}: only level {level} allows it: remove it, or set level"));
        }
    }

    /// Adds whether the login may manage robot accounts of the system.
    async fn add_system(
        &self,
        inspection: &mut Inspection,
        account: &Account<'_>,
        user: Option<&User>,
    ) -> Result<(), PortalError> {
        if user.is_some_and(User::is_admin) {
            inspection.add_fact("permissions", "an administrator may manage robot accounts of the system");
            return Ok(());
        }
        if user.is_some() {
            inspection.add_fact("permissions", "none for robot accounts of the system");
            inspection.add_problem(
                "spec.harbor.level: level System requires the login of an administrator or of a robot account of the system: use one of these, or level Project",
            );
            return Ok(());
        }
        match account.permissions(None).await? {
            // Older versions do not list the permissions for robot accounts of the system.
            Some(permissions) if !permissions.robot_actions().is_empty() => {
                add_robot_actions(inspection, "the system", &permissions);
            }
            _ => inspection.add_unknown("permissions", "Harbor does not show them before the first request"),
        }
        Ok(())
    }

    /// Adds whether the projects of tokens of the system exist, and whether the login may grant the permissions there.
    async fn add_projects_of_system(
        &self,
        inspection: &mut Inspection,
        account: &Account<'_>,
        user: Option<&User>,
    ) -> Result<(), PortalError> {
        let names: Vec<&str> = self.spec.projects.iter().flatten().map(String::as_str).collect();
        if names.contains(&ALL_PROJECTS) {
            inspection.add_fact("projects", "all, also those that are created later");
            return Ok(());
        }
        for name in names.iter().take(MAX_PROJECTS) {
            match account.project(name).await {
                Ok(Some(project)) => {
                    inspection.add_fact("project", format!("{name} exists"));
                    if let Some(permissions) = account.permissions(Some(project.id)).await? {
                        self.add_ungrantable(inspection, name, &permissions, user);
                    }
                }
                Ok(None) => {}
                // The others may exist.
                Err(failure) => inspection.add_problem(failure.message),
            }
        }
        if names.len() > MAX_PROJECTS {
            inspection.add_fact("note", format!("only the first {MAX_PROJECTS} projects are checked"));
        }
        Ok(())
    }

    /// Adds the permissions that a robot account cannot grant, because it does not have them itself
    /// (`isValidPermissionScope` in `src/server/v2.0/handler/robot.go`).
    fn add_ungrantable(
        &self,
        inspection: &mut Inspection,
        project: &str,
        permissions: &Permissions,
        user: Option<&User>,
    ) {
        let is_missing = |one: &&HarborPermission| !permissions.allow(&one.resource, &one.action);
        let missing: Vec<String> = self
            .spec
            .permissions
            .iter()
            .filter(is_missing)
            .map(|one| format!("{}: {}", one.resource, one.action))
            .collect();
        if user.is_none() && !missing.is_empty() {
            inspection.add_problem(format!(
                "spec.harbor.permissions: the robot account that logs in lacks {} in the project {project}, so it cannot grant that: add it to the robot account, or remove it here",
                missing.join(", ")
            ));
        }
    }
}

/// Adds what the login may do with robot accounts, and what it lacks.
fn add_robot_actions(inspection: &mut Inspection, place: &str, permissions: &Permissions) {
    let actions = permissions.robot_actions();
    let shown = if actions.is_empty() { "none".to_owned() } else { actions.join(", ") };
    inspection.add_fact("permissions", format!("for robot accounts of {place}: {shown}"));
    let missing: Vec<&str> = REQUIRED.into_iter().filter(|action| !actions.contains(action)).collect();
    if !missing.is_empty() {
        inspection.add_problem(format!(
            "spec.harbor.auth: the login may not {} robot accounts of {place}: log in as a user who administers it, or as a robot account with the permissions that docs/harbor.md lists",
            missing.join(", ")
        ));
    }
}

fn describe(user: Option<&User>) -> String {
    match user {
        Some(user) if user.is_admin() => format!("user {}, an administrator of Harbor", user.username),
        Some(user) => format!("user {}", user.username),
        None => "a robot account".to_owned(),
    }
}
