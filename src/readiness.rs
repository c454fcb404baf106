//! Whether the operator is ready to work; the one truth behind `/readyz`.

use std::sync::atomic::{AtomicBool, Ordering};

/// The gates that must open.
#[derive(Debug, Default)]
pub struct Readiness {
    caches: AtomicBool,
    stopping: AtomicBool,
}

impl Readiness {
    /// Every cache holds what the API server has.
    pub fn caches_filled(&self) {
        self.caches.store(true, Ordering::Relaxed);
    }

    /// The operator was asked to end.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// What is still waited for; nothing when ready.
    #[must_use]
    pub fn pending(&self) -> Vec<&'static str> {
        let mut pending = vec![];
        if !self.caches.load(Ordering::Relaxed) {
            pending.push("caches: the API server has not listed every kind yet; are the CRDs installed, and may the ServiceAccount list them?");
        }
        if self.stopping.load(Ordering::Relaxed) {
            pending.push("stopping");
        }
        pending
    }
}
