//! Caches the resolved interface of a portal for an audit interval, or until a failure suggests a change.

mod blocking;

use crate::api::Reason;
use crate::domain::model::token::RowQuery;
use crate::portal::thinkwise::client::call::Call;
use crate::portal::thinkwise::client::http_client;
use crate::portal::thinkwise::discovery::interface::Interface;
use crate::portal::thinkwise::discovery::metadata::{Catalog, MetadataError};
use crate::portal::thinkwise::discovery::mismatch::Mismatch;
use crate::portal::thinkwise::discovery::resolve::resolve;
use crate::portal::thinkwise::odata::address;
use crate::portal::thinkwise::odata::json_fields::Scalar;
use crate::portal::thinkwise::query::page;
use crate::portal::thinkwise::query::query_url::{self, ListScope};
use crate::portal::thinkwise::{Delivery, PortalError, ThinkwisePortal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

/// The document of a large application has about 5 MB.
const MAX_METADATA_BYTES: usize = 16 << 20;
/// A rejection may be permanent: because of it, the metadata is not read more often than this.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_mins(1);

/// A document that declares too much does not become small soon: it is not read more often than this.
const OVERSIZED_RETRY_INTERVAL: Duration = Duration::from_mins(10);

/// A denied list may be a temporary error, and disables audits: the denial is cached no longer than this.
const LIST_DENIED_TTL: Duration = Duration::from_mins(10);

#[derive(Debug)]
pub(crate) struct CachedInterface {
    pub interface: Interface,
    /// Why the portal user may not read the list, if so.
    pub list_denied: Option<String>,
}

pub(crate) struct MetadataCache {
    /// Locked while the portal is read, so that many calls cause only one read.
    refresh_lock: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// The maximum age: a permission may be granted, or a task renamed, without any call failing.
    ttl: Duration,
}

#[derive(Default)]
struct State {
    cached: Option<Arc<CachedInterface>>,
    read_at: Option<Instant>,
    is_stale: bool,
    /// The result of `$metadata`, and when it was read, until it is known whether the list can be read: if that
    /// request fails, some megabytes of metadata need not be sent again.
    unprobed: Option<(Interface, Instant)>,
    /// The error of the last `$metadata` that declared too much.
    oversized: Option<(PortalError, Instant)>,
}

impl MetadataCache {
    /// Creates a cache with this maximum age.
    pub(crate) fn new(ttl: Duration) -> Self {
        Self { refresh_lock: tokio::sync::Mutex::default(), state: Mutex::default(), ttl }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cached interface, if it is not outdated.
    fn fresh(&self) -> Option<Arc<CachedInterface>> {
        let state = self.state();
        let (cached, age) = (state.cached.as_ref()?, state.read_at?.elapsed());
        let max_age = match cached.list_denied {
            _ if state.is_stale => MIN_REFRESH_INTERVAL,
            Some(_) => LIST_DENIED_TTL,
            None => self.ttl,
        };
        (age < max_age.min(self.ttl)).then(|| Arc::clone(cached))
    }

    /// Why `$metadata` is not read again yet.
    fn oversized(&self) -> Option<PortalError> {
        let state = self.state();
        state
            .oversized
            .as_ref()
            .filter(|(_, read_at)| read_at.elapsed() < OVERSIZED_RETRY_INTERVAL)
            .map(|(failure, _)| failure.clone())
    }

    fn mark_stale(&self) {
        self.state().is_stale = true;
    }

    fn record_malformed(&self, error: MetadataError) -> PortalError {
        let failure = PortalError::new(Delivery::NotSent, Reason::InvalidResponse, error.to_string());
        if error.is_oversized() {
            self.state().oversized = Some((failure.clone(), Instant::now()));
        }
        failure
    }

    fn store(&self, cached: &Arc<CachedInterface>) {
        let mut state = self.state();
        (state.cached, state.read_at) = (Some(Arc::clone(cached)), Some(Instant::now()));
    }
}

impl ThinkwisePortal {
    /// The interface of the portal; it is read if necessary. If this fails, no task was sent.
    pub(crate) async fn interface(&self, deadline: Instant) -> Result<Arc<CachedInterface>, PortalError> {
        let cache = &self.metadata_cache;
        if let Some(cached) = cache.fresh() {
            return Ok(cached);
        }
        let previous = cache.state().cached.clone();
        if let Some(failure) = cache.oversized() {
            return previous.ok_or(failure);
        }
        let _guard = match (cache.refresh_lock.try_lock(), &previous) {
            (Ok(guard), _) => guard,
            // Another call is refreshing it: until that is done, the cached interface is used.
            (Err(_), Some(cached)) => return Ok(Arc::clone(cached)),
            (Err(_), None) => timeout_at(deadline, cache.refresh_lock.lock()).await.map_err(|_| {
                PortalError::new(
                    Delivery::NotSent,
                    Reason::TimedOut,
                    "the portal's $metadata could not be read in time",
                )
            })?,
        };
        if let Some(cached) = cache.fresh() {
            return Ok(cached);
        }
        cache.state().is_stale = false;
        match self.refresh(deadline).await {
            Ok(cached) => {
                let cached = Arc::new(cached);
                cache.store(&cached);
                Ok(cached)
            }
            // An interface that no longer matches is discarded.
            Err(failure) if failure.reason == Reason::MetadataMismatch => {
                *cache.state() = State::default();
                Err(failure)
            }
            // An outage does not change names.
            Err(failure) => previous.map_or(Err(PortalError { delivery: Delivery::NotSent, ..failure }), |cached| {
                cache.store(&cached);
                cache.mark_stale();
                Ok(cached)
            }),
        }
    }

    /// Marks the cached interface as stale after a failure that suggests a change.
    pub(crate) fn mark_stale_after(&self, failure: &PortalError) {
        if matches!(
            failure.reason,
            Reason::AccessDenied | Reason::MetadataMismatch | Reason::RequestRejected | Reason::InvalidResponse
        ) {
            self.metadata_cache.mark_stale();
        }
    }

    async fn refresh(&self, deadline: Instant) -> Result<CachedInterface, PortalError> {
        let unprobed = self.metadata_cache.state().unprobed.take();
        let (interface, read_at) = match unprobed.filter(|(_, read_at)| read_at.elapsed() < MIN_REFRESH_INTERVAL) {
            Some(unprobed) => unprobed,
            None => (self.resolve_interface(deadline).await?, Instant::now()),
        };
        if interface.table.is_none() {
            let reason =
                "$metadata shows the portal user no token table: there is none, or the user's role does not include it"
                    .to_owned();
            return Ok(CachedInterface { interface, list_denied: Some(reason) });
        }
        match self.probe_list(&interface, deadline).await {
            Ok(()) => Ok(CachedInterface { interface, list_denied: None }),
            // The table is declared but cannot be read: the same as if it were absent.
            Err(failure) if failure.reason == Reason::AccessDenied => match interface.without_list() {
                Ok(interface) => Ok(CachedInterface { interface, list_denied: Some(failure.message) }),
                Err(problem) => Err(PortalError { message: format!("{}. {problem}", failure.message), ..failure }),
            },
            Err(failure) => {
                self.metadata_cache.state().unprobed = Some((interface, read_at));
                Err(failure)
            }
        }
    }

    /// Resolves the interface from the portal's `$metadata`.
    async fn resolve_interface(&self, deadline: Instant) -> Result<Interface, PortalError> {
        let document = self.read_metadata(deadline).await?;
        let (spec, cache) = (self.spec.clone(), Arc::clone(&self.metadata_cache));
        blocking::process_metadata(deadline, move || {
            let catalog = Catalog::read(&document.0).map_err(|error| cache.record_malformed(error))?;
            drop(document);
            resolve(&spec, &catalog).map_err(|mismatch| mismatch_error(&mismatch))
        })
        .await
    }

    /// Reads the tables and tasks that the portal shows to its user.
    ///
    /// # Errors
    /// If `$metadata` cannot be read or is invalid.
    pub(crate) async fn read_fresh_catalog(&self, deadline: Instant) -> Result<Catalog, PortalError> {
        let document = self.read_metadata(deadline).await?;
        let cache = Arc::clone(&self.metadata_cache);
        blocking::process_metadata(deadline, move || {
            Catalog::read(&document.0).map_err(|error| cache.record_malformed(error))
        })
        .await
    }

    async fn read_metadata(
        &self,
        deadline: Instant,
    ) -> Result<(Zeroizing<Vec<u8>>, http_client::MemoryPermit), PortalError> {
        let url = address::child(&self.base, "$metadata")?;
        let call = Call::get_xml(url, self.error_context("document", "$metadata"));
        let response = self.send(&call, deadline).await?;
        http_client::read_large_body(response, MAX_METADATA_BYTES, deadline).await
    }

    async fn probe_list(&self, interface: &Interface, deadline: Instant) -> Result<(), PortalError> {
        let Some(table) = &interface.table else { return Ok(()) };
        let columns = query_url::token_columns(table);
        let url = query_url::query_url(&self.base, table, &columns, ListScope::Some(&RowQuery::Probe))?;
        let mut each = |row: &[Scalar]| match page::parse_row(table, row) {
            // A scan shows whether all rows are invalid.
            Err(_) if page::is_skippable_row(row) => Ok(()),
            result => result.map(drop),
        };
        self.read_page(table, &url, &columns, &mut each, deadline).await.map(drop)
    }
}

fn mismatch_error(mismatch: &Mismatch) -> PortalError {
    PortalError::new(Delivery::NotSent, Reason::MetadataMismatch, mismatch.to_string())
}
