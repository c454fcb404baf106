//! What was found out about the portal, kept for an audit's interval, or until a failure hints at a change.

use super::call::Call;
use super::interface::Interface;
use super::metadata::{Catalog, Malformed};
use super::odata::{self, Wanted};
use super::resolve::{Mismatch, resolve};
use super::{Failure, Rows, Sent, ThinkwisePortal, address, client, off_workers};
use crate::api::Reason;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

/// A large application's document has some 5 MB.
const METADATA_LIMIT: usize = 16 << 20;
/// A refusal may be the portal's last word: it is not asked again what it looks like more often than this.
const REREAD: Duration = Duration::from_mins(1);

/// A document that declares too much is large, and will not soon be a small one: it is not read more often than this.
const OVERSIZED: Duration = Duration::from_mins(10);

/// That the list is hidden may be a mishap, and turns audits off: it is not believed for longer.
const HIDDEN: Duration = Duration::from_mins(10);

/// What was found out.
#[derive(Debug)]
pub(super) struct Known {
    pub interface: Interface,
    /// Our user may not read the list, and why.
    pub hidden: Option<String>,
}

/// Keeps it.
pub(super) struct Memory {
    /// Held while the portal is read, so that many calls cause one reading.
    reading: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// A right may be given, and a task renamed, without any call failing: so long it is believed.
    keep: Duration,
}

#[derive(Default)]
struct State {
    known: Option<Arc<Known>>,
    read: Option<Instant>,
    doubted: bool,
    /// What `$metadata` showed, and when, while whether the list can be read is not known yet: the portal did
    /// not answer that, and need not send some megabytes again for it.
    unprobed: Option<(Interface, Instant)>,
    /// `$metadata` declared too much, when it was read last.
    oversized: Option<(Failure, Instant)>,
}

impl Memory {
    /// One that believes what was read for so long.
    pub(super) fn new(keep: Duration) -> Self {
        Self { reading: tokio::sync::Mutex::default(), state: Mutex::default(), keep }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known and believed.
    fn believed(&self) -> Option<Arc<Known>> {
        let state = self.state();
        let (known, age) = (state.known.as_ref()?, state.read?.elapsed());
        let most = match known.hidden {
            _ if state.doubted => REREAD,
            Some(_) => HIDDEN,
            None => self.keep,
        };
        (age < most.min(self.keep)).then(|| Arc::clone(known))
    }

    /// Why `$metadata` is not read again yet.
    fn oversized(&self) -> Option<Failure> {
        let state = self.state();
        state.oversized.as_ref().filter(|(_, read)| read.elapsed() < OVERSIZED).map(|(failure, _)| failure.clone())
    }

    fn doubt(&self) {
        self.state().doubted = true;
    }

    fn unreadable(&self, malformed: Malformed) -> Failure {
        let failure = Failure::new(Sent::No, Reason::AnswerMalformed, malformed.to_string());
        if malformed.is_oversized() {
            self.state().oversized = Some((failure.clone(), Instant::now()));
        }
        failure
    }

    fn learn(&self, known: &Arc<Known>) {
        let mut state = self.state();
        (state.known, state.read) = (Some(Arc::clone(known)), Some(Instant::now()));
    }
}

impl ThinkwisePortal {
    /// What is known of the portal; read from it where that is needed. Whatever fails here, no task was sent.
    pub(super) async fn known(&self, deadline: Instant) -> Result<Arc<Known>, Failure> {
        let memory = &self.memory;
        if let Some(known) = memory.believed() {
            return Ok(known);
        }
        let former = memory.state().known.clone();
        if let Some(failure) = memory.oversized() {
            return former.ok_or(failure);
        }
        let _reading = match (memory.reading.try_lock(), &former) {
            (Ok(reading), _) => reading,
            // Somebody reads it anew: for as long as that takes what is known will do.
            (Err(_), Some(known)) => return Ok(Arc::clone(known)),
            (Err(_), None) => timeout_at(deadline, memory.reading.lock())
                .await
                .map_err(|_| Failure::new(Sent::No, Reason::TimedOut, "the portal's $metadata was not had in time"))?,
        };
        if let Some(known) = memory.believed() {
            return Ok(known);
        }
        memory.state().doubted = false;
        match self.find_out(deadline).await {
            Ok(known) => {
                let known = Arc::new(known);
                memory.learn(&known);
                Ok(known)
            }
            // What does not fit any more is not used any more.
            Err(failure) if failure.reason == Reason::MetadataMismatch => {
                *memory.state() = State::default();
                Err(failure)
            }
            // An outage changes no names.
            Err(failure) => former.map_or(Err(Failure { sent: Sent::No, ..failure }), |known| {
                memory.learn(&known);
                memory.doubt();
                Ok(known)
            }),
        }
    }

    /// Doubts what is known after a failure that hints at a change.
    pub(super) fn doubt(&self, failure: &Failure) {
        if matches!(
            failure.reason,
            Reason::NoAccess | Reason::MetadataMismatch | Reason::RequestRefused | Reason::AnswerMalformed
        ) {
            self.memory.doubt();
        }
    }

    async fn find_out(&self, deadline: Instant) -> Result<Known, Failure> {
        let unprobed = self.memory.state().unprobed.take();
        let (interface, read) = match unprobed.filter(|(_, read)| read.elapsed() < REREAD) {
            Some(former) => former,
            None => (self.shown(deadline).await?, Instant::now()),
        };
        if interface.table.is_none() {
            let why =
                "$metadata shows our user no table of tokens: there is none, or the user's role does not include it"
                    .to_owned();
            return Ok(Known { interface, hidden: Some(why) });
        }
        match self.probe(&interface, deadline).await {
            Ok(()) => Ok(Known { interface, hidden: None }),
            // Listed, and yet not readable: as good as not there.
            Err(failure) if failure.reason == Reason::NoAccess => match interface.without_list() {
                Ok(interface) => Ok(Known { interface, hidden: Some(failure.message) }),
                Err(problem) => Err(Failure { message: format!("{}. {problem}", failure.message), ..failure }),
            },
            Err(failure) => {
                self.memory.state().unprobed = Some((interface, read));
                Err(failure)
            }
        }
    }

    /// How the portal is used, as its `$metadata` shows it.
    async fn shown(&self, deadline: Instant) -> Result<Interface, Failure> {
        let document = self.document(deadline).await?;
        let (spec, memory) = (self.spec.clone(), Arc::clone(&self.memory));
        off_workers::on_metadata(deadline, move || {
            let catalog = Catalog::read(&document.0).map_err(|malformed| memory.unreadable(malformed))?;
            drop(document);
            resolve(&spec, &catalog).map_err(|mismatch| unfit(&mismatch))
        })
        .await
    }

    /// Reads the tables and tasks that the portal shows our user.
    ///
    /// # Errors
    /// When `$metadata` cannot be had, or is not what it should be.
    pub(super) async fn catalog(&self, deadline: Instant) -> Result<Catalog, Failure> {
        let document = self.document(deadline).await?;
        let memory = Arc::clone(&self.memory);
        off_workers::on_metadata(deadline, move || {
            Catalog::read(&document.0).map_err(|malformed| memory.unreadable(malformed))
        })
        .await
    }

    async fn document(&self, deadline: Instant) -> Result<(Zeroizing<Vec<u8>>, client::Share), Failure> {
        let url = address::below(&self.base, "$metadata")?;
        let call = Call::get_xml(url, self.subject("document", "$metadata"));
        let response = self.send(&call, deadline).await?;
        client::large_body(response, METADATA_LIMIT, deadline).await
    }

    async fn probe(&self, interface: &Interface, deadline: Instant) -> Result<(), Failure> {
        let Some(table) = &interface.table else { return Ok(()) };
        let columns = odata::columns(table);
        let url = odata::query(&self.base, table, &columns, Wanted::Some(Rows::Probe))?;
        let mut each = |row: &[super::fields::Scalar]| match odata::portal_row(table, row) {
            // Whether all are like it, a scan tells.
            Err(_) if odata::is_odd_row(row) => Ok(()),
            read => read.map(drop),
        };
        self.page(table, &url, &columns, &mut each, deadline).await.map(drop)
    }
}

fn unfit(mismatch: &Mismatch) -> Failure {
    Failure::new(Sent::No, Reason::MetadataMismatch, mismatch.to_string())
}
