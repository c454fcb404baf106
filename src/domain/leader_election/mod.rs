//! Leader election by a Lease: a state machine, `(state, response, now) -> (state, request)`.
//!
//! `now` is the time since any fixed moment, by the monotonic clock of this machine. The times in the Lease are another
//! machine's and are never compared with it: an instance measures how long it has seen the Lease unchanged. A changed
//! wall clock therefore changes nothing.
//!
//! The claim of a leader ends a fixed time after it sent its last successful renewal, and no response is needed for that.
//! Others wait longer, from a later moment on: the one when they first saw that renewal.

mod timing;

pub use self::timing::{Timing, TimingError};
use std::time::Duration;

/// A Lease that is kept for longer than this without a renewal is not one of a leader election.
const LONGEST_PLAUSIBLE_LEASE: Duration = Duration::from_hours(1);
/// How many failed or conflicting requests are repeated at once.
const MAX_TRIES: u8 = 3;

/// A Lease as it was read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRecord {
    /// It changes with every renewal.
    pub resource_version: String,
    /// The identity of the leader; `None` if the Lease is free.
    pub holder: Option<String>,
    /// How long it lasts without a renewal; `None` if it never expires.
    pub duration: Option<Duration>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Read the Lease.
    Read,
    /// Create it, with this instance as its holder.
    Create,
    /// Replace the version that was last read or written.
    Update(Change),
    /// Wait.
    Sleep(Duration),
    /// Nothing: the election has ended.
    End,
}

/// What an update changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This instance becomes the holder.
    TakeOver,
    /// The time of the renewal.
    Renew,
    /// The Lease has no holder any more.
    Release,
}

/// The response to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The Lease, as read or as written.
    Lease(LeaseRecord),
    /// There is no Lease of this name.
    Absent,
    /// It has another version than the one that was last read, or exists already.
    Conflict,
    /// The request was rejected, or its outcome is unknown.
    Failed,
    /// The wait is over.
    Slept,
}

/// Why the holder of a Lease may never release it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderProblem {
    /// The Lease has no duration, or a very long one.
    NeverExpires,
    /// The identity is not one of this operator.
    OtherProgram,
}

/// The instance that holds the Lease instead of this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherHolder {
    /// Its identity.
    pub identity: String,
    /// Why it may never release it.
    pub problem: Option<HolderProblem>,
}

/// The Lease with this version, and when this instance first saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Observation {
    lease: LeaseRecord,
    since: Duration,
}

/// The state of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    identity: String,
    timing: Timing,
    observed: Option<Observation>,
    /// The instance leads until then.
    claim_until: Option<Duration>,
    pending: Request,
    sent_at: Duration,
    /// A write whose outcome is unknown may have made this instance the holder.
    may_hold: bool,
    stopping: bool,
    tries: u8,
}

impl Election {
    /// Starts as a standby. `identity` must be unique.
    #[must_use]
    pub const fn start(identity: String, timing: Timing, now: Duration) -> (Self, Request) {
        let election = Self {
            identity,
            timing,
            observed: None,
            claim_until: None,
            pending: Request::Read,
            sent_at: now,
            may_hold: false,
            stopping: false,
            tries: 0,
        };
        (election, Request::Read)
    }

    /// Takes the response to the last request, and returns the next one.
    #[must_use]
    pub fn step(mut self, response: Response, now: Duration) -> (Self, Request) {
        match (self.pending, response) {
            (_, Response::Slept) => self.after_sleep(now),
            (Request::Read, Response::Lease(lease)) => self.observe(lease, now).after_read(now),
            (Request::Read | Request::Update(_), Response::Absent) => self.after_absence(now),
            (Request::Update(Change::Release), Response::Lease(lease)) => {
                self.observe(lease, now).request(Request::End, now)
            }
            (Request::Create | Request::Update(_), Response::Lease(lease)) => self.after_write(lease, now),
            (Request::Create | Request::Update(_), Response::Conflict) => self.read_again(now),
            (pending, _) => {
                self.may_hold |= matches!(pending, Request::Create | Request::Update(Change::TakeOver));
                if self.stopping { self.read_again(now) } else { self.sleep_briefly(now) }
            }
        }
    }

    /// Ends the claim. The Lease is released if this instance holds it, and not awaited for long otherwise.
    #[must_use]
    pub fn stop(mut self, now: Duration) -> (Self, Request) {
        self.may_hold |= matches!(self.pending, Request::Create | Request::Update(_));
        (self.claim_until, self.stopping, self.tries) = (None, true, 0);
        let next = match (self.is_holder(), self.may_hold) {
            (true, _) => Request::Update(Change::Release),
            (false, true) => Request::Read,
            (false, false) => Request::End,
        };
        self.request(next, now)
    }

    /// Until when this instance leads; `None` for a standby. The time may have passed.
    #[must_use]
    pub const fn claim_until(&self) -> Option<Duration> {
        self.claim_until
    }

    /// The other holder of the Lease, as last seen.
    #[must_use]
    pub fn other_holder(&self) -> Option<OtherHolder> {
        let lease = &self.observed.as_ref()?.lease;
        let identity = lease.holder.clone().filter(|holder| *holder != self.identity)?;
        let problem = if lease.duration.is_none_or(|duration| duration > LONGEST_PLAUSIBLE_LEASE) {
            Some(HolderProblem::NeverExpires)
        } else if !is_operator_identity(&identity) {
            Some(HolderProblem::OtherProgram)
        } else {
            None
        };
        Some(OtherHolder { identity, problem })
    }

    /// The times of this election.
    #[must_use]
    pub const fn timing(&self) -> &Timing {
        &self.timing
    }

    fn is_holder(&self) -> bool {
        self.observed.as_ref().is_some_and(|observed| observed.lease.holder.as_ref() == Some(&self.identity))
    }

    fn request(mut self, request: Request, now: Duration) -> (Self, Request) {
        (self.pending, self.sent_at) = (request, now);
        (self, request)
    }

    fn sleep(mut self, wait: Duration, now: Duration) -> (Self, Request) {
        self.tries = 0;
        self.request(Request::Sleep(wait), now)
    }

    fn sleep_briefly(self, now: Duration) -> (Self, Request) {
        let wait = self.timing.read_interval();
        self.sleep(wait, now)
    }

    /// Records a Lease. Its age starts again with each version.
    fn observe(mut self, lease: LeaseRecord, now: Duration) -> Self {
        let same = self.observed.as_ref().filter(|known| known.lease.resource_version == lease.resource_version);
        let since = same.map_or(now, |known| known.since);
        self.observed = Some(Observation { lease, since });
        self.may_hold = false;
        self
    }

    fn after_sleep(mut self, now: Duration) -> (Self, Request) {
        if self.claim_until.is_some_and(|until| now < until) {
            return self.request(Request::Update(Change::Renew), now);
        }
        self.claim_until = None;
        self.request(Request::Read, now)
    }

    fn after_read(mut self, now: Duration) -> (Self, Request) {
        let Some(Observation { lease, since }) = &self.observed else { return self.request(Request::Read, now) };
        let next = match &lease.holder {
            Some(holder) if *holder == self.identity && self.stopping => Request::Update(Change::Release),
            Some(holder) if *holder == self.identity => Request::Update(Change::Renew),
            _ if self.stopping => Request::End,
            None => Request::Update(Change::TakeOver),
            Some(_) => {
                let remaining = lease.duration.map(|duration| (*since + duration).saturating_sub(now));
                self.claim_until = None;
                match remaining {
                    Some(Duration::ZERO) => Request::Update(Change::TakeOver),
                    Some(remaining) => Request::Sleep(remaining.min(self.timing.read_interval())),
                    None => Request::Sleep(self.timing.read_interval()),
                }
            }
        };
        if let Request::Sleep(wait) = next { self.sleep(wait, now) } else { self.request(next, now) }
    }

    /// A deleted Lease is free, also for others.
    fn after_absence(mut self, now: Duration) -> (Self, Request) {
        (self.observed, self.claim_until) = (None, None);
        let next = if self.stopping { Request::End } else { Request::Create };
        self.request(next, now)
    }

    /// The claim is measured from when the renewal was sent: others see it later.
    fn after_write(self, lease: LeaseRecord, now: Duration) -> (Self, Request) {
        let sent_at = self.sent_at;
        let mut written = self.observe(lease, now);
        // An admission webhook may have changed it.
        if !written.is_holder() {
            written.claim_until = None;
            return written.sleep_briefly(now);
        }
        written.claim_until = Some(sent_at + written.timing.renew_deadline());
        let next_renewal = (sent_at + written.timing.retry_period()).saturating_sub(now);
        written.sleep(next_renewal, now)
    }

    /// Reads the Lease, unless requests fail again and again.
    fn read_again(mut self, now: Duration) -> (Self, Request) {
        self.tries += 1;
        match (self.tries <= MAX_TRIES, self.stopping) {
            (true, _) => self.request(Request::Read, now),
            (false, true) => self.request(Request::End, now),
            (false, false) => self.sleep_briefly(now),
        }
    }
}

/// Whether this operator makes such identities: a random number of ten hexadecimal digits, after the name of the pod.
fn is_operator_identity(identity: &str) -> bool {
    let random = identity.rsplit('-').next().unwrap_or_default();
    random.len() == 10 && random.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
