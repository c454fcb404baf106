//! Errors of `$metadata` documents.

/// Why the document is invalid. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the portal's $metadata {0}")]
pub struct MetadataError(pub(crate) &'static str);

impl MetadataError {
    /// It declares more than the operator processes.
    pub(crate) const OVERSIZED: Self = Self(
        "declares more than the operator reads. Give the portal user a role that shows only the tables and tasks of the \
         registry tokens. It is read again in ten minutes, or when the issuer changes",
    );

    /// Whether the document declares too much, which does not change soon.
    #[must_use]
    pub fn is_oversized(self) -> bool {
        self == Self::OVERSIZED
    }
}
