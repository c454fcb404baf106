//! Why a document is of no use.

/// The document is not what it should be. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the portal's $metadata {0}")]
pub struct MetadataError(pub(crate) &'static str);

impl MetadataError {
    /// It declares more than the operator keeps.
    pub(crate) const OVERSIZED: Self = Self(
        "declares more than the operator reads. Give the portal's user a role that shows the tables and tasks of the \
         registry's tokens only. It is read again in ten minutes, or when the issuer is changed",
    );

    /// Whether it is one that declares too much: it will not soon declare less.
    #[must_use]
    pub fn is_oversized(self) -> bool {
        self == Self::OVERSIZED
    }
}
