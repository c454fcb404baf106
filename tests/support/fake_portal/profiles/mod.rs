//! Profiles: possible portals, each with a name. `spec.rs` has the issuer spec that each one needs.

mod list;
mod spec;

use super::config::Config;
use super::run::FakePortal;
use serde_json::{Value, json};

/// One possible portal.
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// A one-line description.
    pub about: &'static str,
    /// How clients log in.
    pub auth: Auth,
    config: fn() -> Config,
}

/// How clients log in to a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// HTTP Basic.
    Basic,
    /// OAuth2 client credentials.
    ClientCredentials,
}

/// The credentials Secret that every issuer here names.
pub const SECRET: &str = "portal";

impl Profile {
    #[must_use]
    pub fn all() -> &'static [Self] {
        list::PROFILES
    }

    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|profile| profile.name == name)
    }

    /// The configuration of the fake portal.
    #[must_use]
    pub fn config(&self) -> Config {
        let config = (self.config)();
        match self.auth {
            Auth::Basic => Config { clients: vec![], ..config },
            Auth::ClientCredentials => Config { basic: vec![], ..config },
        }
    }

    /// `stringData` of the credentials Secret.
    ///
    /// # Panics
    ///
    /// If the portal has no logins.
    #[must_use]
    pub fn credentials(&self, portal: &FakePortal) -> Value {
        let config = portal.config();
        let first = |logins: &[super::config::Login]| logins.first().cloned().expect("the portal has a login");
        match self.auth {
            Auth::Basic => {
                let login = first(&config.basic);
                json!({"username": login.name, "password": login.secret})
            }
            Auth::ClientCredentials => {
                let login = first(&config.clients);
                json!({"client_id": login.name, "client_secret": login.secret})
            }
        }
    }

    /// `spec.thinkwise` of an issuer with only what `$metadata` does not contain: the portal's address, the login, the
    /// CA, and the values of keys and parameters.
    #[must_use]
    pub fn minimal(&self, portal: &FakePortal) -> Value {
        spec::minimal(self.auth, portal)
    }

    /// `spec.thinkwise` of an issuer with everything: every name, form, parameter and output.
    #[must_use]
    pub fn pinned(&self, portal: &FakePortal) -> Value {
        spec::pinned(self.auth, portal)
    }
}
