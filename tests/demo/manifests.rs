//! The manifests that the demo applies for its portal: the README's YAML, or that of a profile.

use crate::fake_portal::{Config, FakePortal, Profile, SECRET};
use crate::readme;
use serde_json::{Value, json};
use std::fmt;

/// Which manifests are applied.
pub enum Manifests {
    /// The README's, for a portal that matches them.
    Readme,
    /// Those of a profile: the issuer has only what the portal's `$metadata` does not contain.
    Profile(&'static Profile),
}

impl Manifests {
    /// Those of the profile with this name, or the README's.
    pub fn of(name: Option<&str>) -> Result<Self, String> {
        let Some(name) = name else { return Ok(Self::Readme) };
        let known = || Profile::all().iter().map(|profile| profile.name).collect::<Vec<_>>().join(", ");
        let profile = Profile::named(name);
        profile.map(Self::Profile).ok_or_else(|| format!("no profile is named {name}; available: {}", known()))
    }

    /// The title of the step in which they are applied.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Readme => "2. The README's YAML (addresses and CA are the demo's own)",
            Self::Profile(_) => {
                "2. An issuer with only what the portal's $metadata does not contain, and the README's token"
            }
        }
    }

    /// The configuration of the fake portal.
    pub fn config(&self) -> Config {
        match self {
            Self::Readme => Config::default(),
            Self::Profile(profile) => profile.config(),
        }
    }

    /// The Secret with the credentials that the fake portal accepts.
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

    /// The issuer, with the fake portal's addresses and CA.
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
            Self::Readme => f.write_str("the portal matches the README"),
            Self::Profile(profile) => write!(f, "the portal's profile is {}: {}", profile.name, profile.about),
        }
    }
}
