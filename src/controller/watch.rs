//! Watches a kind. kube's own watcher takes an object that it cannot parse for a failure of the whole watch,
//! needs streaming lists or never uses them, and keeps bookmarks to itself; this one parses each object on
//! its own, lists page by page where the API server has no streaming lists, and notes how it is doing.

use super::cluster::{read, short};
use super::decode::Decoded;
use super::watch_events::{Line, Page, line, page, version};
use super::watch_failure::{Ended, Failure, refuses_streaming};
use crate::kube_api::Request;
use crate::watch_health::{Phase, WatchHealth};
use futures::io::{AsyncBufRead, AsyncBufReadExt};
use futures::{Stream, stream};
use kube::api::{ListParams, WatchParams};
use kube::runtime::watcher::Event;
use kube::{Client, Error};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep, timeout};

/// Objects in one page of a list.
const PAGE: u32 = 500;
/// A list or the beginning of a watch is answered within this time, or tried again.
const ANSWER: Duration = Duration::from_mins(1);
/// A streaming list that sends nothing for so long is one that the API server did not understand.
const INITIAL: Duration = Duration::from_secs(30);
/// A watch in which not even a bookmark comes is begun again where it was: they come every minute, and the
/// connection may be dead.
const IDLE: Duration = Duration::from_secs(150);
/// After a failed connection, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A kind that is not served, or forbidden, may be at any moment.
const KIND_WAIT: Duration = Duration::from_secs(5);
/// Events that wait to be taken.
const EVENTS: usize = 16;
/// A line's room is given back where one was longer than this.
const LONG_LINE: usize = 64 * 1024;

/// What is watched, and how its objects are parsed.
pub struct Watch<K> {
    /// The API server.
    pub client: Client,
    /// Requests for all objects of the kind.
    pub request: Request,
    /// Only objects with this label.
    pub label: Option<&'static str>,
    /// Of each object only its metadata is sent.
    pub metadata_only: bool,
    /// Parses one object.
    pub decode: fn(&[u8]) -> Decoded<K>,
    /// Where it is noted how the watch is doing.
    pub health: Arc<WatchHealth>,
}

impl<K: Send + 'static> Watch<K> {
    /// The events. A failure is none of them: it is noted, and the watch begun again.
    pub fn events(self) -> impl Stream<Item = Event<Decoded<K>>> + Send + 'static {
        let (sender, receiver) = channel(EVENTS);
        let running = Running { watch: self, paged: false, version: None, heard: false, out: sender };
        tokio::spawn(running.run());
        stream::unfold(receiver, |mut receiver: Receiver<_>| async { Some((receiver.recv().await?, receiver)) })
    }

    fn list_request(&self, next: Option<&str>) -> Result<axum::http::Request<Vec<u8>>, Failure> {
        let mut params = ListParams { label_selector: self.label.map(str::to_owned), ..ListParams::default() };
        params = params.limit(PAGE);
        params.continue_token = next.map(str::to_owned);
        let request = &self.request;
        let built = if self.metadata_only { request.list_metadata(&params) } else { request.list(&params) };
        built.map_err(|error| Failure::Failed(Phase::Pending, error.to_string()))
    }

    fn watch_request(&self, since: Option<&str>) -> Result<axum::http::Request<Vec<u8>>, Failure> {
        let params = WatchParams {
            label_selector: self.label.map(str::to_owned),
            send_initial_events: since.is_none(),
            ..WatchParams::default()
        };
        let (request, since) = (&self.request, since.unwrap_or("0"));
        let built =
            if self.metadata_only { request.watch_metadata(&params, since) } else { request.watch(&params, since) };
        built.map_err(|error| Failure::Failed(Phase::Pending, error.to_string()))
    }
}

struct Running<K> {
    watch: Watch<K>,
    /// The API server has no streaming lists.
    paged: bool,
    /// Where to go on; none before everything that there is has been sent.
    version: Option<String>,
    /// Something came since the last request.
    heard: bool,
    out: Sender<Event<Decoded<K>>>,
}

impl<K: Send + 'static> Running<K> {
    async fn run(mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            self.heard = false;
            let resumed = self.version.is_some();
            let (out, begun) = (self.out.clone(), Instant::now());
            let ended = tokio::select! {
                ended = self.round() => ended,
                () = out.closed() => return,
            };
            if self.heard {
                wait = FIRST_WAIT;
            }
            let (phase, detail) = match ended {
                Err(Failure::Abandoned) => return,
                // The API server ends each watch after some minutes.
                Ok(Ended::Expired) if self.heard && begun.elapsed() > FIRST_WAIT => continue,
                Ok(Ended::Refused) => continue,
                Ok(Ended::Expired) if resumed && self.version.is_none() => continue,
                Ok(Ended::Expired) => (Phase::Pending, "it ended the watch at once".to_owned()),
                Err(Failure::Failed(phase, detail)) => (phase, detail),
            };
            self.watch.health.failed(phase, &detail);
            let pause = if phase == Phase::Pending { wait } else { KIND_WAIT };
            // Many watches of many operators do not come back in one moment.
            let spread = f64::from(std::process::id() % 100) / 400.0;
            tokio::select! {
                () = sleep(pause.mul_f64(1.0 + spread)) => {}
                () = self.out.closed() => return,
            }
            // However long a kind was not served, it is listed soon once it is.
            wait = if phase == Phase::Pending { (wait * 2).min(LONGEST_WAIT) } else { FIRST_WAIT };
        }
    }

    /// Lists where that is to be done, and watches until the watch ends.
    async fn round(&mut self) -> Result<Ended, Failure> {
        if self.version.is_none() && self.paged {
            self.list().await?;
        }
        let initial = self.version.is_none();
        let request = self.watch.watch_request(self.version.as_deref())?;
        let lines = match timeout(ANSWER, self.watch.client.request_stream(request)).await {
            Ok(Ok(lines)) => lines,
            Ok(Err(error)) if initial && refuses_streaming(&error) => {
                self.fall_back("it refuses streaming lists");
                return Ok(Ended::Refused);
            }
            Ok(Err(error)) => return Err(self.failure(&error)),
            Err(_) => return Err(Failure::Failed(Phase::Pending, "no answer to a watch".to_owned())),
        };
        self.watch_lines(std::pin::pin!(lines), initial).await
    }

    /// From now on this watch lists page by page.
    fn fall_back(&mut self, why: &str) {
        tracing::info!(
            kind = self.watch.health.kind(),
            "{why}, as Kubernetes without WatchList does: this kind is listed page by page"
        );
        self.paged = true;
    }

    async fn list(&mut self) -> Result<(), Failure> {
        self.watch.health.listing();
        self.send(Event::Init).await?;
        let mut next = None;
        loop {
            let request = self.watch.list_request(next.as_deref())?;
            let list = match timeout(ANSWER, read(&self.watch.client, request)).await {
                Ok(Ok(list)) => list,
                Ok(Err(error)) => return Err(self.failure(&error)),
                Err(_) => return Err(Failure::Failed(Phase::Pending, "no answer to a list".to_owned())),
            };
            let Some(Page { items, version, next: following }) = page(&list) else {
                return Err(Failure::Failed(Phase::Pending, "the answer to a list is none".to_owned()));
            };
            self.hear();
            for item in items {
                self.send(Event::InitApply((self.watch.decode)(item))).await?;
            }
            match (following, version) {
                (Some(token), _) => next = Some(token),
                (None, Some(version)) => return self.listed(version).await,
                (None, None) => {
                    return Err(Failure::Failed(Phase::Pending, "the answer to a list has no version".to_owned()));
                }
            }
        }
    }

    async fn watch_lines(
        &mut self,
        mut lines: std::pin::Pin<&mut (impl AsyncBufRead + Send)>,
        mut initial: bool,
    ) -> Result<Ended, Failure> {
        if initial {
            self.watch.health.listing();
            self.send(Event::Init).await?;
        }
        let mut buffer = vec![];
        loop {
            buffer.clear();
            buffer.shrink_to(LONG_LINE);
            let patience = if initial { INITIAL } else { IDLE };
            match timeout(patience, lines.read_until(b'\n', &mut buffer)).await {
                Err(_) if initial => {
                    self.fall_back("it sends no end of a streaming list");
                    return Ok(Ended::Refused);
                }
                // The connection may be dead: the watch goes on where it was.
                Err(_) => {
                    self.heard = true;
                    return Ok(Ended::Expired);
                }
                // It has ended, or broken off in the midst of a line.
                Ok(Ok(_)) if buffer.last() != Some(&b'\n') => return Ok(Ended::Expired),
                Ok(Err(error)) => return Err(Failure::Failed(Phase::Pending, format!("the watch broke off: {error}"))),
                Ok(Ok(_)) => {}
            }
            if self.take(&buffer, &mut initial).await? {
                return Ok(Ended::Expired);
            }
        }
    }

    /// Takes one line; whether the watch is to be begun again.
    async fn take(&mut self, text: &[u8], initial: &mut bool) -> Result<bool, Failure> {
        tracing::trace!(kind = self.watch.health.kind(), bytes = text.len(), "watch: a line");
        match line(text) {
            Line::Applied(object) => {
                self.hear();
                let decoded = (self.watch.decode)(object);
                if *initial {
                    self.send(Event::InitApply(decoded)).await?;
                } else {
                    self.send(Event::Apply(decoded)).await?;
                    self.advance(version(object));
                }
            }
            Line::Deleted(object) => {
                self.hear();
                self.send(Event::Delete((self.watch.decode)(object))).await?;
                if !*initial {
                    self.advance(version(object));
                }
            }
            Line::Bookmark { version: Some(version), end_of_initial: true } if *initial => {
                self.hear();
                *initial = false;
                self.listed(version).await?;
            }
            Line::Bookmark { version, .. } => {
                self.hear();
                if !*initial {
                    self.advance(version);
                }
            }
            Line::Error { code: 410, .. } => {
                // What happened since is not known any more: everything is listed again, at once.
                self.version = None;
                return Ok(true);
            }
            Line::Error { code, message } => {
                return Err(Failure::Failed(Phase::Pending, format!("HTTP {code}: {}", short(&message))));
            }
            Line::Unknown => tracing::debug!(kind = self.watch.health.kind(), "watch: a line is no event"),
        }
        Ok(false)
    }

    async fn listed(&mut self, version: String) -> Result<(), Failure> {
        self.version = Some(version);
        self.send(Event::InitDone).await?;
        self.watch.health.listed();
        Ok(())
    }

    fn advance(&mut self, version: Option<String>) {
        if version.is_some() {
            self.version = version;
        }
    }

    fn hear(&mut self) {
        self.heard = true;
        self.watch.health.heard();
    }

    async fn send(&self, event: Event<Decoded<K>>) -> Result<(), Failure> {
        self.out.send(event).await.map_err(|_| Failure::Abandoned)
    }

    fn failure(&mut self, error: &Error) -> Failure {
        if matches!(error, Error::Api(status) if matches!(status.code, 404 | 410)) {
            // The version is too old, or of a CRD that is gone: everything is listed again.
            self.version = None;
        }
        Failure::of(self.watch.health.kind(), error)
    }
}
