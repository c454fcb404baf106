//! What an issuer's login may do, before the first request.

use super::account::{Account, LoginMethod, MAX_OWN_TOKENS, User, includes};
use super::{GiteaPortal, client, spec};
use crate::portal::inspection::{Inspection, InspectionSettings, Place, Places, PlacesResult};
use crate::portal::rest::invalid_spec;
use crate::portal::{Credentials, PortalError};
use crate::sanitize::sanitize;
use secrecy::SecretString;

/// Reads what the login of an issuer may do. Changes nothing.
///
/// # Errors
/// As [`GiteaPortal::new`].
pub async fn inspect(settings: InspectionSettings<'_>) -> Result<Inspection, PortalError> {
    let InspectionSettings { portal: settings, credentials_source } = settings;
    let password = match &settings.credentials {
        Credentials::Basic { password, .. } => password.clone(),
        _ => SecretString::default(),
    };
    let mut portal = GiteaPortal::new(settings)?;
    portal.client = portal.client.with_credentials_source(credentials_source);
    let mut inspection = Inspection::default();
    if let Err(failure) = portal.add_login(&mut inspection, &password).await {
        inspection.add_problem(failure.message);
        return Ok(inspection);
    }
    inspection.read_list(&portal).await;
    Ok(inspection)
}

/// Reads whose tokens the login may manage: its own. Changes nothing.
///
/// # Errors
/// If the login is rejected, or may not read who it is.
pub async fn places(settings: InspectionSettings<'_>) -> PlacesResult {
    let InspectionSettings { portal: settings, credentials_source } = settings;
    let spec = spec(&settings)?;
    let client = client(&spec, settings)?.with_credentials_source(credentials_source);
    let user = Account { client: &client, user: "the login" }.current_user().await?;
    let User { login, is_admin } = user.ok_or_else(|| {
        invalid_spec("the access token that is used as the password needs the scope write:user: without it, Gitea does not say whose it is")
    })?;
    let role = if is_admin { ", an administrator" } else { "" };
    Ok(Places { login: format!("{login}{role}"), places: vec![Place::User(login)], is_partial: false })
}

impl GiteaPortal {
    /// Adds version, login and scopes. Fails if nothing else can be read.
    async fn add_login(&self, inspection: &mut Inspection, password: &SecretString) -> Result<(), PortalError> {
        let account = Account { client: &self.client, user: &self.spec.user };
        let user = account.current_user().await?;
        let version = account.version().await.ok().flatten();
        inspection.add_or_unknown("version", version.ok_or("this server does not say it"));
        let Some(User { login, is_admin }) = user else {
            inspection.add_unknown("login", "the access token that is used as the password lacks the scope read:user");
            inspection.add_problem(format!(
                "spec.gitea.auth: the access token needs the scope write:user: create another one, and store it in {}",
                self.client.credentials_source()
            ));
            return Ok(());
        };
        let method = account.login_method(&login, password).await.unwrap_or(LoginMethod::PasswordOrOther);
        inspection.add_fact("login", format!("{login}, {}", describe(&method)));
        self.add_owner(inspection, &login, is_admin);
        if let LoginMethod::AccessToken(Some(scopes)) = &method {
            self.add_scopes(inspection, scopes);
        }
        Ok(())
    }

    /// Adds whose tokens are managed, and with which right.
    fn add_owner(&self, inspection: &mut Inspection, login: &str, is_admin: bool) {
        let user = &self.spec.user;
        if login.eq_ignore_ascii_case(user) {
            inspection.add_fact("tokens", format!("of {user}, who is the login itself"));
        } else if is_admin {
            inspection.add_fact("tokens", format!("of {user}, managed by an administrator, who may do much more"));
        } else {
            inspection.add_fact("tokens", format!("of {user}, who is not the login"));
            inspection.add_problem(format!(
                "spec.gitea.user: the login {login} may not manage the tokens of {user}: log in as {user}, or set user to {login}"
            ));
        }
    }

    /// Adds what the scopes of the login's access token do not allow.
    fn add_scopes(&self, inspection: &mut Inspection, scopes: &[String]) {
        if !includes(scopes, "write:user") {
            inspection.add_problem(format!(
                "spec.gitea.auth: the access token has the scopes {}: to create and delete tokens it needs write:user",
                list(scopes)
            ));
        }
        let missing: Vec<&str> =
            self.spec.scopes.iter().map(String::as_str).filter(|scope| !includes(scopes, scope)).collect();
        if !missing.is_empty() {
            inspection.add_fact(
                "note",
                format!(
                    "newer versions of Gitea grant a token at most the scopes of the access token that creates it, which lacks {}",
                    missing.join(", ")
                ),
            );
        }
    }
}

fn describe(method: &LoginMethod) -> String {
    match method {
        LoginMethod::AccessToken(Some(scopes)) => format!("with an access token (scopes {})", list(scopes)),
        LoginMethod::AccessToken(None) => "with an access token; this version does not show its scopes".to_owned(),
        LoginMethod::PasswordOrOther => format!(
            "with its password, which Gitea accepts only without a second factor, or with an access token that is not among its first {MAX_OWN_TOKENS}"
        ),
    }
}

fn list(scopes: &[String]) -> String {
    if scopes.is_empty() { "none".to_owned() } else { sanitize(&scopes.join(", ")) }
}
