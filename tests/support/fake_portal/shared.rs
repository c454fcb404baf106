//! State that the portal, the registry and the control interface of one fake portal share.

use super::bearers::Bearers;
use super::config::Config;
use super::faults::Faults;
use super::ledger::Ledger;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Instant;

/// The state of one fake portal.
pub(super) struct Shared {
    config: RwLock<Arc<Config>>,
    pub(super) ledger: Ledger,
    pub(super) faults: Faults,
    /// Bearer tokens of the portal, each for a client.
    pub(super) bearers: Bearers<String>,
    /// Bearer tokens of the registry, each for a token and the repositories it may pull.
    pub(super) pulls: Bearers<(i64, Vec<String>)>,
    /// Such as `https://localhost:1234`, of the portal and of the registry; set once they listen.
    pub(super) origins: OnceLock<Origins>,
    /// When the next request is answered, if the rate is limited.
    next: Mutex<Option<Instant>>,
}

/// The addresses of the servers.
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
            next: Mutex::default(),
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

    /// The portal's origin in returned addresses.
    pub(super) fn named_origin(&self) -> String {
        self.config().habits.origin.clone().unwrap_or_else(|| self.origins().portal.clone())
    }

    /// Whether this request exceeds the rate limit.
    pub(super) fn is_rate_limited(&self) -> bool {
        let (pace, now) = (self.config().habits.pace(), Instant::now());
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if pace.is_zero() {
            return false;
        }
        let early = next.is_some_and(|next| now < next);
        if !early {
            *next = Some(now + pace);
        }
        early
    }

    pub(super) fn origins(&self) -> &Origins {
        self.origins.get().expect("set before the first connection is accepted")
    }
}
