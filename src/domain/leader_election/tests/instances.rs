//! Instances on a virtual clock, with a Lease that they share.

use crate::domain::leader_election::*;

pub const ONE: &str = "one-0123456789";
pub const TWO: &str = "two-0123456789";

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub fn timing() -> Timing {
    Timing::new(secs(15), secs(10), secs(2)).expect("valid")
}

/// The API server.
#[derive(Default)]
pub struct Server {
    pub lease: Option<LeaseRecord>,
    pub version: u64,
    pub writes: Vec<Request>,
}

impl Server {
    pub fn holding(holder: &str, duration: Option<Duration>) -> Self {
        let mut server = Self::default();
        server.store(Some(holder), duration);
        server
    }

    pub fn store(&mut self, holder: Option<&str>, duration: Option<Duration>) -> LeaseRecord {
        self.version += 1;
        let lease =
            LeaseRecord { resource_version: self.version.to_string(), holder: holder.map(str::to_owned), duration };
        self.lease = Some(lease.clone());
        lease
    }

    pub fn holder(&self) -> Option<&str> {
        self.lease.as_ref()?.holder.as_deref()
    }
}

/// An instance with its own clock, which started at another time than that of others.
pub struct Instance {
    pub election: Election,
    pub request: Request,
    pub clock_offset: Duration,
    /// By the common clock: when its wait is over.
    pub wakes: Duration,
    /// No request of it is answered or executed.
    pub partitioned: bool,
    /// Its writes are executed, and the responses are lost.
    pub deaf: bool,
}

impl Instance {
    pub fn new(identity: &str, clock_offset: Duration) -> Self {
        let (election, request) = Election::start(identity.to_owned(), timing(), clock_offset);
        Self { election, request, clock_offset, wakes: Duration::ZERO, partitioned: false, deaf: false }
    }

    pub fn clock(&self, now: Duration) -> Duration {
        now + self.clock_offset
    }

    pub fn leads(&self, now: Duration) -> bool {
        self.election.claim_until().is_some_and(|until| self.clock(now) < until)
    }

    pub fn take(&mut self, (election, request): (Election, Request), now: Duration) {
        (self.election, self.request) = (election, request);
        if let Request::Sleep(wait) = request {
            self.wakes = now + wait;
        }
    }

    pub fn step(&mut self, response: Response, now: Duration) {
        let next = self.election.clone().step(response, self.clock(now));
        self.take(next, now);
    }

    pub fn execute(&self, server: &mut Server) -> Response {
        let election = &self.election;
        let known = election.observed.as_ref().map(|observed| observed.lease.resource_version.clone());
        let stored = server.lease.as_ref().map(|lease| lease.resource_version.clone());
        let identity = election.identity.as_str();
        if !matches!(self.request, Request::Read | Request::Sleep(_) | Request::End) {
            server.writes.push(self.request);
        }
        match self.request {
            Request::Sleep(_) | Request::End => Response::Slept,
            Request::Read => server.lease.clone().map_or(Response::Absent, Response::Lease),
            Request::Create if stored.is_some() => Response::Conflict,
            Request::Update(_) if stored.is_none() => Response::Absent,
            Request::Update(_) if stored != known => Response::Conflict,
            Request::Update(Change::Release) => Response::Lease(server.store(None, Some(secs(1)))),
            Request::Create | Request::Update(_) => Response::Lease(server.store(Some(identity), Some(secs(15)))),
        }
    }

    /// Sends what is due now, and takes the responses.
    pub fn run(&mut self, server: &mut Server, now: Duration) {
        for _ in 0..20 {
            match self.request {
                Request::End => return,
                Request::Sleep(_) if now < self.wakes => return,
                Request::Sleep(_) => self.step(Response::Slept, now),
                _ if self.partitioned => self.step(Response::Failed, now),
                _ => {
                    let response = self.execute(server);
                    self.step(if self.deaf { Response::Failed } else { response }, now);
                }
            }
        }
        panic!("it sends requests without a pause: {:?}", self.request);
    }

    pub fn stop(&mut self, server: &mut Server, now: Duration) {
        let next = self.election.clone().stop(self.clock(now));
        self.take(next, now);
        self.run(server, now);
    }
}

/// Runs these instances in steps of 100 ms; never do two of them lead. Returns when `done` is true.
pub fn run_until(
    server: &mut Server,
    instances: &mut [&mut Instance],
    from: Duration,
    limit: Duration,
    done: impl Fn(&[&mut Instance], Duration) -> bool,
) -> Option<Duration> {
    let mut now = from;
    while now <= from + limit {
        for instance in &mut *instances {
            instance.run(server, now);
        }
        let leaders = instances.iter().filter(|instance| instance.leads(now)).count();
        assert!(leaders <= 1, "{leaders} lead at {now:?}");
        if done(instances, now) {
            return Some(now);
        }
        now += millis(100);
    }
    None
}

pub fn run_for(server: &mut Server, instances: &mut [&mut Instance], from: Duration, time: Duration) -> Duration {
    run_until(server, instances, from, time, |_, _| false);
    from + time
}
