//! Profiles: portals as they may be, each with a name. What one needs of an issuer is in `spec.rs`.

mod list;
mod spec;

use super::config::Config;
use super::run::FakePortal;
use serde_json::{Value, json};

/// A portal as it may be.
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// What it stands for, in one line.
    pub about: &'static str,
    /// How one logs in.
    pub auth: Auth,
    config: fn() -> Config,
}

/// How one logs in to a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// HTTP Basic.
    Basic,
    /// OAuth2 client credentials.
    ClientCredentials,
}

/// The Secret with the portal's credentials that every issuer here names.
pub const SECRET: &str = "portal";

impl Profile {
    /// All of them.
    #[must_use]
    pub fn all() -> &'static [Self] {
        list::PROFILES
    }

    /// One of them.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|profile| profile.name == name)
    }

    /// What the simulator has to be like.
    #[must_use]
    pub fn config(&self) -> Config {
        let config = (self.config)();
        match self.auth {
            Auth::Basic => Config { clients: vec![], ..config },
            Auth::ClientCredentials => Config { basic: vec![], ..config },
        }
    }

    /// `stringData` of the Secret with the portal's credentials.
    ///
    /// # Panics
    ///
    /// If the portal knows nobody.
    #[must_use]
    pub fn credentials(&self, portal: &FakePortal) -> Value {
        let config = portal.config();
        let first = |logins: &[super::config::Login]| logins.first().cloned().expect("the portal knows somebody");
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

    /// `spec.thinkwise` of an issuer that says only what `$metadata` cannot: where the portal is,
    /// how to log in, whom to trust, and values of keys and parameters.
    #[must_use]
    pub fn minimal(&self, portal: &FakePortal) -> Value {
        spec::minimal(self.auth, portal)
    }

    /// `spec.thinkwise` of an issuer that says all: every name, form, parameter and output.
    #[must_use]
    pub fn pinned(&self, portal: &FakePortal) -> Value {
        spec::pinned(self.auth, portal)
    }
}
