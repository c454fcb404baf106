//! What portal, registry and control interface of one simulator have in common.

use super::bearers::Bearers;
use super::config::Config;
use super::faults::Faults;
use super::ledger::Ledger;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// The state of one simulator.
pub(super) struct Shared {
    config: RwLock<Arc<Config>>,
    pub(super) ledger: Ledger,
    pub(super) faults: Faults,
    /// Bearers of the portal, each for a client.
    pub(super) bearers: Bearers<String>,
    /// Bearers of the registry, each for a token and what it may pull.
    pub(super) pulls: Bearers<(i64, Vec<String>)>,
    /// `https://localhost:1234` of the portal and of the registry; set once they listen.
    pub(super) origins: OnceLock<Origins>,
}

/// Where the servers are.
pub(super) struct Origins {
    pub(super) portal: String,
    pub(super) registry: String,
}

impl Shared {
    pub(super) fn new(config: Config) -> Self {
        let ledger = Ledger::default();
        ledger.mint_as(&config);
        Self {
            config: RwLock::new(Arc::new(config)),
            ledger,
            faults: Faults::default(),
            bearers: Bearers::default(),
            pulls: Bearers::default(),
            origins: OnceLock::new(),
        }
    }

    pub(super) fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn configure(&self, change: impl FnOnce(&mut Config)) {
        let mut config = self.config.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut config));
        self.ledger.mint_as(&config);
    }

    pub(super) fn origins(&self) -> &Origins {
        self.origins.get().expect("set before the first connection is accepted")
    }
}
