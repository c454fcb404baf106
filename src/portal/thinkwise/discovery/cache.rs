//! What was found out about the portal, kept for an audit's interval, or until a failure hints at a change.

use super::blocking;
use super::interface::Interface;
use super::metadata::{Catalog, MetadataError};
use super::resolve::{Mismatch, resolve};
use crate::api::Reason;
use crate::portal::thinkwise::client::call::Call;
use crate::portal::thinkwise::client::http_client;
use crate::portal::thinkwise::odata::address;
use crate::portal::thinkwise::odata::query;
use crate::portal::thinkwise::odata::query::ListScope;
use crate::portal::thinkwise::{Delivery, PortalError, Rows, ThinkwisePortal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

/// A large application's document has some 5 MB.
const MAX_METADATA_BYTES: usize = 16 << 20;
/// A refusal may be the portal's last word: it is not asked again what it looks like more often than this.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_mins(1);

/// A document that declares too much is large, and will not soon be a small one: it is not read more often than this.
const OVERSIZED_RETRY_INTERVAL: Duration = Duration::from_mins(10);

/// That the list is hidden may be a mishap, and turns audits off: it is not believed for longer.
const LIST_DENIED_TTL: Duration = Duration::from_mins(10);

/// What was found out.
#[derive(Debug)]
pub(crate) struct CachedInterface {
    pub interface: Interface,
    /// Our user may not read the list, and why.
    pub list_denied: Option<String>,
}

/// Keeps it.
pub(crate) struct MetadataCache {
    /// Held while the portal is read, so that many calls cause one reading.
    refresh_lock: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// A right may be given, and a task renamed, without any call failing: so long it is believed.
    ttl: Duration,
}

#[derive(Default)]
struct State {
    cached: Option<Arc<CachedInterface>>,
    read_at: Option<Instant>,
    is_stale: bool,
    /// What `$metadata` showed, and when, while whether the list can be read is not known yet: the portal did
    /// not answer that, and need not send some megabytes again for it.
    unprobed: Option<(Interface, Instant)>,
    /// `$metadata` declared too much, when it was read last.
    oversized: Option<(PortalError, Instant)>,
}

impl MetadataCache {
    /// One that believes what was read for so long.
    pub(crate) fn new(ttl: Duration) -> Self {
        Self { refresh_lock: tokio::sync::Mutex::default(), state: Mutex::default(), ttl }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known and believed.
    fn fresh(&self) -> Option<Arc<CachedInterface>> {
        let state = self.state();
        let (known, age) = (state.cached.as_ref()?, state.read_at?.elapsed());
        let most = match known.list_denied {
            _ if state.is_stale => MIN_REFRESH_INTERVAL,
            Some(_) => LIST_DENIED_TTL,
            None => self.ttl,
        };
        (age < most.min(self.ttl)).then(|| Arc::clone(known))
    }

    /// Why `$metadata` is not read again yet.
    fn oversized(&self) -> Option<PortalError> {
        let state = self.state();
        state
            .oversized
            .as_ref()
            .filter(|(_, read)| read.elapsed() < OVERSIZED_RETRY_INTERVAL)
            .map(|(failure, _)| failure.clone())
    }

    fn mark_stale(&self) {
        self.state().is_stale = true;
    }

    fn record_malformed(&self, malformed: MetadataError) -> PortalError {
        let failure = PortalError::new(Delivery::NotSent, Reason::InvalidResponse, malformed.to_string());
        if malformed.is_oversized() {
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
    /// What is known of the portal; read from it where that is needed. Whatever fails here, no task was sent.
    pub(crate) async fn interface(&self, deadline: Instant) -> Result<Arc<CachedInterface>, PortalError> {
        let cache = &self.metadata_cache;
        if let Some(known) = cache.fresh() {
            return Ok(known);
        }
        let previous = cache.state().cached.clone();
        if let Some(failure) = cache.oversized() {
            return previous.ok_or(failure);
        }
        let _reading = match (cache.refresh_lock.try_lock(), &previous) {
            (Ok(reading), _) => reading,
            // Somebody reads it anew: for as long as that takes what is known will do.
            (Err(_), Some(known)) => return Ok(Arc::clone(known)),
            (Err(_), None) => timeout_at(deadline, cache.refresh_lock.lock()).await.map_err(|_| {
                PortalError::new(Delivery::NotSent, Reason::TimedOut, "the portal's $metadata was not had in time")
            })?,
        };
        if let Some(known) = cache.fresh() {
            return Ok(known);
        }
        cache.state().is_stale = false;
        match self.refresh(deadline).await {
            Ok(known) => {
                let known = Arc::new(known);
                cache.store(&known);
                Ok(known)
            }
            // What does not fit any more is not used any more.
            Err(failure) if failure.reason == Reason::MetadataMismatch => {
                *cache.state() = State::default();
                Err(failure)
            }
            // An outage changes no names.
            Err(failure) => previous.map_or(Err(PortalError { delivery: Delivery::NotSent, ..failure }), |known| {
                cache.store(&known);
                cache.mark_stale();
                Ok(known)
            }),
        }
    }

    /// Doubts what is known after a failure that hints at a change.
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
        let (interface, read) = match unprobed.filter(|(_, read)| read.elapsed() < MIN_REFRESH_INTERVAL) {
            Some(former) => former,
            None => (self.resolve_interface(deadline).await?, Instant::now()),
        };
        if interface.table.is_none() {
            let why =
                "$metadata shows our user no table of tokens: there is none, or the user's role does not include it"
                    .to_owned();
            return Ok(CachedInterface { interface, list_denied: Some(why) });
        }
        match self.probe_list(&interface, deadline).await {
            Ok(()) => Ok(CachedInterface { interface, list_denied: None }),
            // Listed, and yet not readable: as good as not there.
            Err(failure) if failure.reason == Reason::AccessDenied => match interface.without_list() {
                Ok(interface) => Ok(CachedInterface { interface, list_denied: Some(failure.message) }),
                Err(problem) => Err(PortalError { message: format!("{}. {problem}", failure.message), ..failure }),
            },
            Err(failure) => {
                self.metadata_cache.state().unprobed = Some((interface, read));
                Err(failure)
            }
        }
    }

    /// How the portal is used, as its `$metadata` shows it.
    async fn resolve_interface(&self, deadline: Instant) -> Result<Interface, PortalError> {
        let document = self.read_metadata(deadline).await?;
        let (spec, memory) = (self.spec.clone(), Arc::clone(&self.metadata_cache));
        blocking::process_metadata(deadline, move || {
            let catalog = Catalog::read(&document.0).map_err(|malformed| memory.record_malformed(malformed))?;
            drop(document);
            resolve(&spec, &catalog).map_err(|mismatch| mismatch_error(&mismatch))
        })
        .await
    }

    /// Reads the tables and tasks that the portal shows our user.
    ///
    /// # Errors
    /// When `$metadata` cannot be had, or is not what it should be.
    pub(crate) async fn read_fresh_catalog(&self, deadline: Instant) -> Result<Catalog, PortalError> {
        let document = self.read_metadata(deadline).await?;
        let memory = Arc::clone(&self.metadata_cache);
        blocking::process_metadata(deadline, move || {
            Catalog::read(&document.0).map_err(|malformed| memory.record_malformed(malformed))
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
        let columns = query::token_columns(table);
        let url = query::query_url(&self.base, table, &columns, ListScope::Some(Rows::Probe))?;
        let mut each = |row: &[crate::portal::thinkwise::odata::json_fields::Scalar]| match query::parse_row(table, row)
        {
            // Whether all are like it, a scan tells.
            Err(_) if query::is_skippable_row(row) => Ok(()),
            read => read.map(drop),
        };
        self.read_page(table, &url, &columns, &mut each, deadline).await.map(drop)
    }
}

fn mismatch_error(mismatch: &Mismatch) -> PortalError {
    PortalError::new(Delivery::NotSent, Reason::MetadataMismatch, mismatch.to_string())
}
