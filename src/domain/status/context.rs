//! Input of a status computation, in addition to the event and the previous status.

use crate::api::{LoginCheck, RecordedPortal};
use crate::domain::model::namespace_access::NamespaceAccess;
use crate::domain::model::object::Rotation;
use crate::domain::model::rotation_windows::RotationWindows;
use crate::domain::model::token_mac::MacKeys;
use crate::domain::observed::Observed;
use jiff::Timestamp;

/// The context in which a status is computed.
#[derive(Clone, Debug)]
pub struct StatusContext<'a> {
    pub uid: &'a str,
    /// `metadata.generation`.
    pub generation: i64,
    /// Name of the pull secret.
    pub secret_name: &'a str,
    /// The API server's time.
    pub now: Timestamp,
    /// Whether logins are verified at the registries.
    pub login_check: LoginCheck,
    /// When the token is rotated.
    pub rotation: Option<Rotation>,
    /// When a rotation that is due may begin.
    pub windows: &'a RotationWindows,
    /// `spec.suspend` is set.
    pub suspended: bool,
    /// Whether the issuer serves the namespace.
    pub namespace_access: NamespaceAccess,
    /// The operator's keys.
    pub keys: &'a MacKeys,
    /// Location of the issuer's portal, if the issuer is ready.
    pub portal: Option<&'a RecordedPortal>,
}

impl<'a> StatusContext<'a> {
    /// Creates the context of an observation.
    #[must_use]
    pub fn of(observed: &'a Observed) -> Self {
        Self {
            uid: &observed.object.uid,
            generation: observed.object.generation,
            secret_name: &observed.object.secret_name,
            now: observed.now,
            login_check: observed.issuer_info().map_or(LoginCheck::default(), |issuer| issuer.login_check),
            rotation: observed.object.rotation,
            windows: &observed.object.rotation_windows,
            suspended: observed.object.suspended,
            namespace_access: observed.namespace_access,
            keys: &observed.object.keys,
            portal: observed.issuer_info().map(|issuer| &issuer.portal),
        }
    }
}
