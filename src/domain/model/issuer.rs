//! The issuer, as decisions need it.

use super::evidence::{ByList, ByLogin, Evidence};
use super::hash::hash;
use super::marker::{IssuerTag, Marker, Nonce};
use super::problem::Problem;
use super::token_scope::IssuerProjects;
use crate::api::{LoginCheck, RecordedPortal};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub enum IssuerState {
    /// Not known yet: the operator has just started.
    Unknown,
    /// The issuer does not exist.
    Missing,
    /// The issuer exists, but is not ready: its `Ready` condition reports this problem.
    NotReady(Problem),
    Ready(IssuerInfo),
}

/// The configuration and state of a ready issuer.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "independent flags")]
pub struct IssuerInfo {
    /// The issuer's part of every marker.
    pub tag: IssuerTag,
    /// Location of the portal, and the portal user.
    pub portal: RecordedPortal,
    pub registries_hash: String,
    /// Hash of the spec and the credentials. A rejection by the portal depends on both.
    pub config_hash: [u8; 32],
    /// Maximum length of a description, including the marker.
    pub max_description_chars: Option<usize>,
    /// The longest time in which a response may still arrive, counted from the read of the issuer.
    pub response_deadline: Duration,
    /// The issuer is being deleted.
    pub deleting: bool,
    /// The issuer has the operator's finalizer, so it is not removed before its tokens.
    pub has_finalizer: bool,
    /// The portal user can list tokens.
    pub list_visible: bool,
    /// The description of a token can be edited. If not, each token keeps the one with which it was requested, including
    /// the marker.
    pub can_edit: bool,
    /// The marker stays in the description.
    pub keep_marker: bool,
    /// All tokens of the portal user log in with the same username, which therefore identifies none of them.
    pub login_shared: bool,
    /// The projects to which a token can be limited; `None` if the portal cannot limit tokens.
    pub projects: Option<Arc<IssuerProjects>>,
    /// Whether logins are verified at the registries.
    pub login_check: LoginCheck,
    /// Requests by annotation for all tokens of the issuer, with keys as in `status.handledAnnotations`.
    pub requested_annotations: BTreeMap<String, String>,
}

impl IssuerInfo {
    /// Whether logins are verified at the registries.
    #[must_use]
    pub fn checks_login(&self) -> bool {
        self.login_check != LoginCheck::Disabled
    }

    /// How the operator finds out which tokens exist.
    #[must_use]
    pub fn evidence(&self) -> &'static dyn Evidence {
        if self.list_visible { &ByList } else { &ByLogin }
    }

    /// Whether missing tokens can be detected, from the portal's list or at a registry.
    #[must_use]
    pub fn can_be_audited(&self) -> bool {
        self.list_visible || self.checks_login()
    }

    /// Hash of the portal's location, which distinguishes portals.
    #[must_use]
    pub fn portal_hash(&self) -> String {
        hash(&[&self.portal.url, &self.portal.scope], 12)
    }

    /// Returns the description that the portal should show for a token with this nonce.
    #[must_use]
    pub fn published_description(&self, description: &str, nonce: &str) -> String {
        match Nonce::parse(nonce).filter(|_| self.keep_marker) {
            Some(nonce) => Marker::new(self.tag.clone(), nonce).append_to(description),
            None => description.to_owned(),
        }
    }
}
