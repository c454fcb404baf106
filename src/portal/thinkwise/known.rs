//! What was found out about the portal, kept until a failure hints at a change.

use super::call::Call;
use super::interface::Interface;
use super::metadata::Catalog;
use super::odata::{self, Wanted};
use super::resolve::resolve;
use super::{Failure, Rows, Sent, ThinkwisePortal, address, client};
use crate::api::Reason;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

/// A large application's document has some 5 MB.
const METADATA_LIMIT: usize = 16 << 20;
/// A refusal may be the portal's last word: it is not asked again what it looks like more often than this.
const REREAD: Duration = Duration::from_mins(1);

/// What was found out.
#[derive(Debug)]
pub(super) struct Known {
    pub interface: Interface,
    /// Our user may not read the list, and why.
    pub hidden: Option<String>,
}

/// Keeps it.
#[derive(Default)]
pub(super) struct Memory {
    /// Held while the portal is read, so that many calls cause one reading.
    state: Mutex<State>,
    doubted: AtomicBool,
}

#[derive(Default)]
struct State {
    known: Option<Arc<Known>>,
    read: Option<Instant>,
}

impl State {
    fn read_lately(&self) -> bool {
        self.read.is_some_and(|read| read.elapsed() < REREAD)
    }
}

impl ThinkwisePortal {
    /// What is known of the portal; read from it where that is needed. Whatever fails here, no task was sent.
    pub(super) async fn known(&self, deadline: Instant) -> Result<Arc<Known>, Failure> {
        let waiting = timeout_at(deadline, self.memory.state.lock()).await;
        let mut state = waiting
            .map_err(|_| Failure::new(Sent::No, Reason::TimedOut, "the portal's $metadata was not had in time"))?;
        let trusted = !self.memory.doubted.load(Ordering::Relaxed) || state.read_lately();
        if let Some(known) = state.known.clone().filter(|_| trusted) {
            return Ok(known);
        }
        self.memory.doubted.store(false, Ordering::Relaxed);
        match self.find_out(deadline).await {
            Ok(known) => {
                let known = Arc::new(known);
                *state = State { known: Some(Arc::clone(&known)), read: Some(Instant::now()) };
                Ok(known)
            }
            // An outage changes no names.
            Err(failure) => match state.known.clone().filter(|_| failure.reason != Reason::MetadataMismatch) {
                Some(known) => {
                    state.read = Some(Instant::now());
                    self.memory.doubted.store(true, Ordering::Relaxed);
                    Ok(known)
                }
                None => Err(Failure { sent: Sent::No, ..failure }),
            },
        }
    }

    /// Doubts what is known after a failure that hints at a change.
    pub(super) fn doubt(&self, failure: &Failure) {
        if matches!(failure.reason, Reason::NoAccess | Reason::RequestRefused | Reason::AnswerMalformed) {
            self.memory.doubted.store(true, Ordering::Relaxed);
        }
    }

    async fn find_out(&self, deadline: Instant) -> Result<Known, Failure> {
        let catalog = self.catalog(deadline).await?;
        let interface = resolve(&self.spec, &catalog)
            .map_err(|mismatch| Failure::new(Sent::No, Reason::MetadataMismatch, mismatch.to_string()))?;
        drop(catalog);
        if interface.table.is_none() {
            let why = "$metadata shows our user no table of tokens".to_owned();
            return Ok(Known { interface, hidden: Some(why) });
        }
        match self.probe(&interface, deadline).await {
            Ok(()) => Ok(Known { interface, hidden: None }),
            // Listed, and yet not readable: as good as not there.
            Err(failure) if failure.reason == Reason::NoAccess => match interface.without_list() {
                Ok(interface) => Ok(Known { interface, hidden: Some(failure.message) }),
                Err(problem) => Err(Failure { message: format!("{}. {problem}", failure.message), ..failure }),
            },
            Err(failure) => Err(failure),
        }
    }

    /// Reads the tables and tasks that the portal shows our user.
    ///
    /// # Errors
    /// When `$metadata` cannot be had, or is not what it should be.
    pub(super) async fn catalog(&self, deadline: Instant) -> Result<Catalog, Failure> {
        let url = address::below(&self.base, "$metadata")?;
        let call = Call::get_xml(url, self.subject("document", "$metadata"));
        let response = self.send(&call, deadline).await?;
        let document = client::body(response, METADATA_LIMIT, deadline).await?;
        Catalog::read(&document)
            .map_err(|malformed| Failure::new(Sent::No, Reason::AnswerMalformed, malformed.to_string()))
    }

    async fn probe(&self, interface: &Interface, deadline: Instant) -> Result<(), Failure> {
        let Some(table) = &interface.table else { return Ok(()) };
        let columns = odata::columns(table);
        let url = odata::query(&self.base, table, &columns, Wanted::Some(Rows::Probe))?;
        let mut each = |row: &[super::fields::Scalar]| odata::portal_row(table, row).map(drop);
        self.page(table, &url, &columns, &mut each, deadline).await.map(drop)
    }
}
