//! Labels, annotations and the finalizer that the operator reads and writes on Kubernetes objects.

/// API group of every kind, and prefix of every key below.
pub const GROUP: &str = "registry-token.dev";

/// On a `RegistryToken`: its tokens are revoked before the object is deleted. On an issuer and on the Secret with its
/// portal credentials: they are still needed for these revocations. On a `ClusterRegistryToken`: its `RegistryToken`s are
/// deleted first.
pub const FINALIZER: &str = "registry-token.dev/revoke";

/// Label of a pull secret, and of a second Secret with its login. The value is the UID of the `RegistryToken` that owns it.
/// The operator watches only Secrets with this label.
pub const OWNER_LABEL: &str = "registry-token.dev/owner";

/// Label of a second Secret with the login of a pull secret, in addition to [`OWNER_LABEL`]: what the Secret is for. A pull
/// secret does not have it.
pub const ROLE_LABEL: &str = "registry-token.dev/role";

/// Value of [`ROLE_LABEL`] of a Secret for Argo CD.
pub const ARGOCD_ROLE: &str = "argocd-repository";

/// Label of a Secret with portal credentials, set to `true` by the owner of the Secret: a `TokenIssuer` in the same
/// namespace may use it.
pub const CREDENTIALS_LABEL: &str = "registry-token.dev/credentials";

/// Reservation `<attempt id>.<identity>`, present while a token request may be in flight.
pub const RESERVATION_ANNOTATION: &str = "registry-token.dev/reservation";

/// Attempt id of the token that the Secret stores.
pub const STORED_ANNOTATION: &str = "registry-token.dev/stored";

/// Portal id of the token that the Secret stores.
pub const TOKEN_ID_ANNOTATION: &str = "registry-token.dev/token-id";

/// Username of the token that the Secret stores.
pub const USERNAME_ANNOTATION: &str = "registry-token.dev/username";

/// MAC that proves that the operator stored this token for this object. The other annotations about the token count
/// only with a valid MAC, or if the portal's row contains the marker.
pub const MAC_ANNOTATION: &str = "registry-token.dev/mac";

/// Cause for which the stored token was requested, as JSON: the cause, and the annotations that the token handles.
pub const CAUSE_ANNOTATION: &str = "registry-token.dev/cause";

/// Provenance of the stored token, separated by dots: a hash of its portal, the time of the request in seconds since
/// 1970, and the portal id of the token that it replaced.
pub const PROVENANCE_ANNOTATION: &str = "registry-token.dev/provenance";

/// Checksum of the content and of the annotations that describe the stored token. It detects a change by another
/// writer.
pub const CHECKSUM_ANNOTATION: &str = "registry-token.dev/checksum";

/// On a `RegistryToken`, a `ClusterRegistryToken` or an issuer, set by the user: any new value rotates the token. The old
/// token is revoked after the overlap.
pub const ROTATE_ANNOTATION: &str = "registry-token.dev/rotate";

/// On a `RegistryToken`, a `ClusterRegistryToken` or an issuer, set by the user: any new value replaces a compromised
/// token. The old token is revoked as soon as the new one is stored.
pub const REPLACE_ANNOTATION: &str = "registry-token.dev/replace";

/// On a `RegistryToken`, set by the user: comma-separated ids of its tokens that are revoked in the portal. If the
/// portal user cannot list tokens, the operator has no other way to learn this about a token that is no longer stored
/// in a Secret.
pub const CONFIRMED_REVOKED_ANNOTATION: &str = "registry-token.dev/confirmed-revoked";

/// On a new `RegistryToken`, set by the user: portal id of a token that a person requested, and whose login the Secret holds.
/// The object takes it over and requests none.
pub const IMPORT_ANNOTATION: &str = "registry-token.dev/import";

/// On a `RegistryToken`, set by the user: any new value triggers a full check of the object, including the content of
/// the Secret. On a `ClusterRegistryToken`, it triggers this for each of its objects. On an issuer, it triggers an audit of
/// the portal.
pub const RECONCILE_ANNOTATION: &str = "registry-token.dev/reconcile";

/// On a Secret without a controller, set to `true` by the user: the `RegistryToken` that names the Secret takes it over
/// and replaces its content.
pub const ADOPT_ANNOTATION: &str = "registry-token.dev/adopt";

/// On a Secret that was released to its user while the operator could not verify that the markers of its tokens were
/// removed: those markers, separated by commas. Together with the owner label they keep an audit from revoking these
/// tokens.
pub const ORPHANED_ANNOTATION: &str = "registry-token.dev/orphaned";

/// Set when the object is being deleted: no further attempt may be reserved in this Secret. The value is the UID of the
/// object, so that it does not bind another object that takes the Secret over.
pub const CLOSED_ANNOTATION: &str = "registry-token.dev/closed";

/// Hash of the registries for which the Secret was written.
pub const REGISTRIES_ANNOTATION: &str = "registry-token.dev/registries";

/// On the Lease of leader election: the installation of the last leader, as `<namespace>/<Secret with its MAC keys>`.
pub const INSTALLATION_ANNOTATION: &str = "registry-token.dev/installation";

/// When the token in the Secret was stored. It changes with each rotation, so that controllers which restart workloads can
/// watch for it.
pub const ROTATED_AT_ANNOTATION: &str = "registry-token.dev/rotated-at";

/// Names of the labels and annotations that were applied to a Secret from `spec.secret`, or to a `RegistryToken` from the
/// template of a `ClusterRegistryToken`. A key that is removed there is removed from the object; keys that others added
/// stay.
pub const LAST_APPLIED_KEYS_ANNOTATION: &str = "registry-token.dev/last-applied-keys";

/// Label of a `RegistryToken` that a `ClusterRegistryToken` created. The value is the name of the latter, or `h_` and a
/// hash if the name is longer than 63 characters.
pub const CLUSTER_TOKEN_LABEL: &str = "registry-token.dev/cluster-registry-token";

/// On a `RegistryToken` that a `ClusterRegistryToken` created: since when its namespace does not match.
pub const UNMATCHED_SINCE_ANNOTATION: &str = "registry-token.dev/unmatched-since";

/// On a `RegistryToken` that a `ClusterRegistryToken` created: hash of the annotations `rotate`, `replace` and `reconcile`
/// that were copied last.
pub const COPIED_REQUESTS_ANNOTATION: &str = "registry-token.dev/copied-requests";
