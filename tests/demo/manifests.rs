//! What the demo applies for its portal: the README's YAML, or that of a profile.

use crate::fake_portal::{Config, FakePortal, Profile, SECRET};
use crate::readme;
use serde_json::{Value, json};
use std::fmt;

/// Whose manifests are applied.
pub enum Manifests {
    /// The README's, for a portal as it describes one.
    Readme,
    /// Those of a profile: the issuer says only what the portal's `$metadata` cannot.
    Profile(&'static Profile),
}

impl Manifests {
    /// Those of the profile of this name, or the README's.
    pub fn of(name: Option<&str>) -> Result<Self, String> {
        let Some(name) = name else { return Ok(Self::Readme) };
        let known = || Profile::all().iter().map(|profile| profile.name).collect::<Vec<_>>().join(", ");
        let profile = Profile::named(name);
        profile.map(Self::Profile).ok_or_else(|| format!("no profile is called {name}; there are {}", known()))
    }

    /// The title of the step in which they are applied.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Readme => "2. The README's YAML (addresses and CA are the demo's own)",
            Self::Profile(_) => "2. An issuer that says what the portal's $metadata cannot, and the README's token",
        }
    }

    /// What the portal is like.
    pub fn config(&self) -> Config {
        match self {
            Self::Readme => Config::default(),
            Self::Profile(profile) => profile.config(),
        }
    }

    /// The Secret with the credentials that the stand-in accepts.
    pub fn portal_secret(&self, portal: &FakePortal) -> Result<Value, String> {
        match self {
            Self::Readme => readme::portal_secret(portal),
            Self::Profile(profile) => Ok(json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": SECRET, "namespace": "registry-token-operator"},
                "stringData": profile.credentials(portal),
            })),
        }
    }

    /// The issuer, with the stand-in's addresses and CA.
    pub fn issuer(&self, portal: &FakePortal) -> Result<Value, String> {
        match self {
            Self::Readme => readme::issuer(portal),
            Self::Profile(profile) => Ok(json!({
                "apiVersion": "registry-token.dev/v1alpha1", "kind": "ClusterTokenIssuer",
                "metadata": {"name": "default"},
                "spec": {
                    "type": "Thinkwise",
                    "thinkwise": profile.minimal(portal),
                    "registries": [{"host": portal.registry_host(), "tls": {"caBundle": portal.ca_pem()}}],
                },
            })),
        }
    }
}

impl fmt::Display for Manifests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Readme => f.write_str("the portal is as the README describes it"),
            Self::Profile(profile) => write!(f, "the portal's profile is {}: {}", profile.name, profile.about),
        }
    }
}
