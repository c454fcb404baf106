//! The keys under which the operator writes into objects that others may see.

/// API group of every kind, and the prefix of every key below.
pub const GROUP: &str = "registry-token.dev";

/// On an object: its tokens are revoked before it goes. On an issuer and on the Secret with
/// its portal credentials: they are still needed for that.
pub const FINALIZER: &str = "registry-token.dev/revoke";

/// Label of a pull secret; its value is the UID of the `RegistryToken` that it belongs to.
/// Secrets are watched by this label only.
pub const OWNER_LABEL: &str = "registry-token.dev/owner";

/// The reservation: `<attempt>.<holder>`, while a request for a token may be under way.
pub const ATTEMPT_ANNOTATION: &str = "registry-token.dev/attempt";

/// Attempts, separated by commas, that were given up without knowing whether the portal made a
/// token for them. They are looked up by their marker, and revoked, before a next attempt.
pub const ABANDONED_ANNOTATION: &str = "registry-token.dev/abandoned";

/// The attempt whose token the Secret holds.
pub const STORED_ANNOTATION: &str = "registry-token.dev/stored";

/// The portal's id of the token that the Secret holds.
pub const TOKEN_ID_ANNOTATION: &str = "registry-token.dev/token-id";

/// Set when the object is being deleted: no further attempt may be reserved here.
pub const CLOSED_ANNOTATION: &str = "registry-token.dev/closed";

/// Hash of the registries that the Secret was written for.
pub const REGISTRIES_ANNOTATION: &str = "registry-token.dev/registries";

/// Names of the labels and annotations that came from `spec.secret`, so that one that leaves
/// the spec leaves the Secret, and one that others added stays.
pub const APPLIED_ANNOTATION: &str = "registry-token.dev/applied";
