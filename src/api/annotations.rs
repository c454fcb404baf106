//! The keys under which the operator writes into objects that others may see.

/// API group of every kind, and the prefix of every key below.
pub const GROUP: &str = "registry-token.dev";

/// On an object: its tokens are revoked before it goes. On an issuer and on the Secret with
/// its portal credentials: they are still needed for that.
pub const FINALIZER: &str = "registry-token.dev/revoke";

/// Label of a pull secret; its value is the UID of the `RegistryToken` that it belongs to.
/// Secrets are watched by this label only.
pub const OWNER_LABEL: &str = "registry-token.dev/owner";

/// Label of a Secret with a portal's credentials, set to `true` by its owner: a `TokenIssuer` of the same
/// namespace may use it.
pub const CREDENTIALS_LABEL: &str = "registry-token.dev/credentials";

/// The reservation: `<attempt>.<holder>`, while a request for a token may be under way.
pub const RESERVATION_ANNOTATION: &str = "registry-token.dev/reservation";

/// The attempt whose token the Secret holds.
pub const STORED_ANNOTATION: &str = "registry-token.dev/stored";

/// The portal's id of the token that the Secret holds.
pub const TOKEN_ID_ANNOTATION: &str = "registry-token.dev/token-id";

/// The name that the token in the Secret logs in with.
pub const USERNAME_ANNOTATION: &str = "registry-token.dev/username";

/// The operator's proof that it stored this token for this object. What the other annotations say of a token counts only
/// with it, or if the portal's row shows the mark.
pub const MAC_ANNOTATION: &str = "registry-token.dev/mac";

/// Why the token that the Secret holds was asked for: JSON with the cause, and the annotations that
/// it answers.
pub const CAUSE_ANNOTATION: &str = "registry-token.dev/cause";

/// Where the token that the Secret holds comes from, with dots between: a hash of its portal, when it was asked for in
/// seconds since 1970, and the portal's id of the token that it followed.
pub const PROVENANCE_ANNOTATION: &str = "registry-token.dev/provenance";

/// Hash of the content and of what is noted of its token, to see whether somebody changed one of them.
pub const CHECKSUM_ANNOTATION: &str = "registry-token.dev/checksum";

/// On an object or an issuer, set by its user: any new value replaces the token, and the old one
/// is revoked after the overlap.
pub const ROTATE_ANNOTATION: &str = "registry-token.dev/rotate";

/// On an object or an issuer, set by its user: any new value replaces a compromised token, and the
/// old one is revoked as soon as the new one is stored.
pub const REPLACE_ANNOTATION: &str = "registry-token.dev/replace";

/// On an object, set by its user: ids of its tokens, with commas between, that are revoked in the portal. Where
/// the portal lists no tokens to our user, nothing else says so of a token that no Secret holds any more.
pub const CONFIRMED_REVOKED_ANNOTATION: &str = "registry-token.dev/confirmed-revoked";

/// On an object, set by its user: any new value has it looked at now, the whole Secret included; on an
/// issuer, its portal is audited now.
pub const RECONCILE_ANNOTATION: &str = "registry-token.dev/reconcile";

/// On a Secret without a controller, set to `true` by its user: it is handed over to the
/// `RegistryToken` that names it, and its content is replaced.
pub const ADOPT_ANNOTATION: &str = "registry-token.dev/adopt";

/// On a Secret that was left to its user while nobody could see whether the marks of its tokens were
/// off: those marks, with commas between. Together with our label it keeps an audit from revoking them.
pub const ORPHANED_ANNOTATION: &str = "registry-token.dev/orphaned";

/// Set when the object is being deleted: no further attempt may be reserved here. Its value is the UID of that object,
/// so that it does not bind another one that takes the Secret over.
pub const CLOSED_ANNOTATION: &str = "registry-token.dev/closed";

/// Hash of the registries that the Secret was written for.
pub const REGISTRIES_ANNOTATION: &str = "registry-token.dev/registries";

/// Names of the labels and annotations that came from `spec.secret`, so that one that leaves
/// the spec leaves the Secret, and one that others added stays.
pub const LAST_APPLIED_KEYS_ANNOTATION: &str = "registry-token.dev/last-applied-keys";
