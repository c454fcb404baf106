//! Watches a kind. kube's own watcher fails the whole watch if it cannot parse an object, either requires streaming
//! lists or never uses them, and does not expose bookmarks. This one parses each object on its own, lists page by page
//! if the API server does not support streaming lists, and records its health.

pub(crate) mod error;
pub(crate) mod namespaces;
pub(crate) mod parse;
mod request;
use self::error::{WatchEnd, WatchError, streaming_unsupported};
use self::parse::{ListPage, WatchEvent, parse_event, parse_list, resource_version};
pub use self::request::Watch;
use super::api_call::{is_stopping, read_body, truncate_message};
use super::decode::Decoded;
use crate::health::watch_health::Phase;
use futures::io::{AsyncBufRead, AsyncBufReadExt};
use futures::{Stream, stream};
use kube::Error;
use kube::runtime::watcher::Event;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep, timeout};

/// Timeout for a page of a list, or for the first response of a watch.
const RESPONSE_TIMEOUT: Duration = Duration::from_mins(1);
/// If a streaming list sends nothing for this long, the API server did not understand the request.
const INITIAL_LIST_TIMEOUT: Duration = Duration::from_secs(30);
/// A watch without events or bookmarks is restarted from the last version: bookmarks come every minute, so the
/// connection may be dead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(150);
/// Backoff after a failed connection, doubled each time.
const MIN_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// Retry interval for a kind that is not served or forbidden, which may change at any moment.
const KIND_UNAVAILABLE_INTERVAL: Duration = Duration::from_secs(5);
/// Capacity of the event channel.
const EVENT_BUFFER: usize = 16;
/// The line buffer is shrunk after a line that was longer than this.
const MAX_RETAINED_BUFFER: usize = 64 * 1024;

impl<K: Send + 'static> Watch<K> {
    /// The events. A failure is not an event: it is recorded, and the watch is restarted.
    pub fn events(self) -> impl Stream<Item = Event<Decoded<K>>> + Send + 'static {
        let (sender, receiver) = channel(EVENT_BUFFER);
        let running = WatchLoop { watch: self, paged: false, version: None, received_any: false, sender };
        tokio::spawn(running.run());
        stream::unfold(receiver, |mut receiver: Receiver<_>| async { Some((receiver.recv().await?, receiver)) })
    }
}

struct WatchLoop<K> {
    watch: Watch<K>,
    /// Whether lists are read page by page, because streaming lists are not supported.
    paged: bool,
    /// The version from which to continue; `None` before the initial list is complete.
    version: Option<String>,
    /// Whether anything was received since the last request.
    received_any: bool,
    sender: Sender<Event<Decoded<K>>>,
}

impl<K: Send + 'static> WatchLoop<K> {
    async fn run(mut self) {
        let mut wait = MIN_BACKOFF;
        loop {
            self.received_any = false;
            let resumed = self.version.is_some();
            let (out, started) = (self.sender.clone(), Instant::now());
            let ended = tokio::select! {
                ended = self.list_and_watch() => ended,
                () = out.closed() => return,
            };
            if self.received_any {
                wait = MIN_BACKOFF;
            }
            let (phase, detail) = match ended {
                Err(WatchError::ReceiverClosed) => return,
                Err(_) if is_stopping() => return,
                // The API server ends each watch after some minutes.
                Ok(WatchEnd::Expired) if self.received_any && started.elapsed() > MIN_BACKOFF => continue,
                Ok(WatchEnd::StreamingUnsupported) => continue,
                Ok(WatchEnd::Expired) if resumed && self.version.is_none() => continue,
                Ok(WatchEnd::Expired) => (Phase::Pending, "the watch ended immediately".to_owned()),
                Err(WatchError::Failed(phase, detail)) => (phase, detail),
            };
            self.watch.health.record_failure(phase, &detail);
            // A namespace may be absent for a long time, and requests for it must not add up.
            let backs_off = phase == Phase::Pending || self.watch.health.namespace().is_some();
            let pause = if backs_off { wait } else { KIND_UNAVAILABLE_INTERVAL };
            // Spreads the restarts of many watches and operators.
            let spread = f64::from(std::process::id() % 100) / 400.0;
            tokio::select! {
                () = sleep(pause.mul_f64(1.0 + spread)) => {}
                () = self.sender.closed() => return,
            }
            // A kind that was not served for a long time is listed soon after it is served.
            wait = if backs_off { (wait * 2).min(MAX_BACKOFF) } else { MIN_BACKOFF };
        }
    }

    /// Lists if necessary, and watches until the watch ends.
    async fn list_and_watch(&mut self) -> Result<WatchEnd, WatchError> {
        if self.version.is_none() && self.paged {
            self.list_all().await?;
        }
        let initial = self.version.is_none();
        let request = self.watch.watch_request(self.version.as_deref())?;
        let lines = match timeout(RESPONSE_TIMEOUT, self.watch.client.request_stream(request)).await {
            Ok(Ok(lines)) => lines,
            Ok(Err(error)) if initial && streaming_unsupported(&error) => {
                self.use_paged_lists("the API server rejects streaming lists");
                return Ok(WatchEnd::StreamingUnsupported);
            }
            Ok(Err(error)) => return Err(self.record_failure(&error)),
            Err(_) => return Err(WatchError::Failed(Phase::Pending, "no response to a watch request".to_owned())),
        };
        self.watch_lines(std::pin::pin!(lines), initial).await
    }

    /// Switches to lists that are read page by page.
    fn use_paged_lists(&mut self, why: &str) {
        tracing::info!(
            kind = self.watch.health.kind(),
            namespace = self.watch.health.namespace(),
            "{why}, as without the feature WatchList: this kind is listed page by page"
        );
        self.paged = true;
    }

    async fn list_all(&mut self) -> Result<(), WatchError> {
        self.watch.health.start_list();
        self.send(Event::Init).await?;
        let mut next = None;
        loop {
            let request = self.watch.list_request(next.as_deref())?;
            let list = match timeout(RESPONSE_TIMEOUT, read_body(&self.watch.client, request)).await {
                Ok(Ok(list)) => list,
                Ok(Err(error)) => return Err(self.record_failure(&error)),
                Err(_) => return Err(WatchError::Failed(Phase::Pending, "no response to a list request".to_owned())),
            };
            let Some(ListPage { items, version, continue_token: following }) = parse_list(&list) else {
                return Err(WatchError::Failed(
                    Phase::Pending,
                    "the response to a list request is not a list".to_owned(),
                ));
            };
            self.record_activity();
            for item in items {
                self.send(Event::InitApply((self.watch.decode)(item))).await?;
            }
            match (following, version) {
                (Some(token), _) => next = Some(token),
                (None, Some(version)) => return self.finish_list(version).await,
                (None, None) => {
                    return Err(WatchError::Failed(Phase::Pending, "the list has no resource version".to_owned()));
                }
            }
        }
    }

    async fn watch_lines(
        &mut self,
        mut lines: std::pin::Pin<&mut (impl AsyncBufRead + Send)>,
        mut initial: bool,
    ) -> Result<WatchEnd, WatchError> {
        if initial {
            self.watch.health.start_list();
            self.send(Event::Init).await?;
        }
        let mut buffer = vec![];
        loop {
            buffer.clear();
            buffer.shrink_to(MAX_RETAINED_BUFFER);
            let limit = if initial { INITIAL_LIST_TIMEOUT } else { IDLE_TIMEOUT };
            match timeout(limit, lines.read_until(b'\n', &mut buffer)).await {
                Err(_) if initial => {
                    self.use_paged_lists("the API server does not complete a streaming list");
                    return Ok(WatchEnd::StreamingUnsupported);
                }
                // The connection may be dead: the watch continues from the last version.
                Err(_) => {
                    self.received_any = true;
                    return Ok(WatchEnd::Expired);
                }
                // It ended, or the connection broke in the middle of a line.
                Ok(Ok(_)) if buffer.last() != Some(&b'\n') => return Ok(WatchEnd::Expired),
                Ok(Err(error)) => {
                    return Err(WatchError::Failed(Phase::Pending, format!("the watch connection failed: {error}")));
                }
                Ok(Ok(_)) => {}
            }
            if self.handle_line(&buffer, &mut initial).await? {
                return Ok(WatchEnd::Expired);
            }
        }
    }

    /// Handles one line; returns whether the watch has to be restarted.
    async fn handle_line(&mut self, text: &[u8], initial: &mut bool) -> Result<bool, WatchError> {
        tracing::trace!(kind = self.watch.health.kind(), bytes = text.len(), "watch: line received");
        match parse_event(text) {
            WatchEvent::Applied(object) => {
                self.record_activity();
                let decoded = (self.watch.decode)(object);
                if *initial {
                    self.send(Event::InitApply(decoded)).await?;
                } else {
                    self.send(Event::Apply(decoded)).await?;
                    self.set_version(resource_version(object));
                }
            }
            WatchEvent::Deleted(object) => {
                self.record_activity();
                self.send(Event::Delete((self.watch.decode)(object))).await?;
                if !*initial {
                    self.set_version(resource_version(object));
                }
            }
            WatchEvent::Bookmark { version: Some(version), end_of_initial: true } if *initial => {
                self.record_activity();
                *initial = false;
                self.finish_list(version).await?;
            }
            WatchEvent::Bookmark { version, .. } => {
                self.record_activity();
                if !*initial {
                    self.set_version(version);
                }
            }
            WatchEvent::Error { code: 410, .. } => {
                self.list_again();
                return Ok(true);
            }
            WatchEvent::Error { code, message } => {
                return Err(WatchError::Failed(Phase::Pending, format!("HTTP {code}: {}", truncate_message(&message))));
            }
            WatchEvent::Unknown => tracing::debug!(kind = self.watch.health.kind(), "watch: line is not an event"),
        }
        Ok(false)
    }

    async fn finish_list(&mut self, version: String) -> Result<(), WatchError> {
        self.version = Some(version);
        self.send(Event::InitDone).await?;
        self.watch.health.set_listed();
        Ok(())
    }

    /// The events since this version are lost: everything is listed again.
    fn list_again(&mut self) {
        if let Some(version) = self.version.take() {
            let (kind, namespace) = (self.watch.health.kind(), self.watch.health.namespace());
            tracing::info!(kind, namespace, version, "watch: listing again");
        }
    }

    fn set_version(&mut self, version: Option<String>) {
        if version.is_some() {
            self.version = version;
        }
    }

    fn record_activity(&mut self) {
        self.received_any = true;
        self.watch.health.record_event();
    }

    async fn send(&self, event: Event<Decoded<K>>) -> Result<(), WatchError> {
        self.sender.send(event).await.map_err(|_| WatchError::ReceiverClosed)
    }

    fn record_failure(&mut self, error: &Error) -> WatchError {
        if matches!(error, Error::Api(status) if matches!(status.code, 404 | 410)) {
            // The version is too old, or belongs to a deleted CRD.
            self.list_again();
        }
        WatchError::from_kube(&self.watch.health, error)
    }
}
