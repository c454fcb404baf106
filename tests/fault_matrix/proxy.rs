//! A proxy between operator and API server that can fail one request, or all of a kind for a while, and report another
//! time.

use super::steps::ProtocolStep;
use crate::control_plane::{ControlPlane, Error, Result};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures::stream;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The fault of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiFault {
    /// It is not delivered, and its sender is killed.
    KilledBefore,
    /// It is executed, and its sender is killed.
    KilledAfter,
    /// Not executed, and answered with this status.
    Status(u16),
    /// Not executed, because a quota is exceeded.
    Quota,
    /// Executed, and answered with this status.
    StatusAfter(u16),
    /// Executed, and never answered.
    NoResponse,
}

/// A fault to be injected.
struct PendingFault {
    namespace: String,
    steps: Vec<ProtocolStep>,
    fault: ApiFault,
    /// It is injected repeatedly.
    persistent: bool,
    /// It was injected.
    injected: bool,
}

#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    upstream: String,
    http: reqwest::Client,
    pending: Mutex<Vec<PendingFault>>,
    /// By how much the dates of responses are wrong.
    shift: Mutex<SignedDuration>,
}

impl Proxy {
    /// Starts a proxy, and writes a kubeconfig that connects through it.
    pub async fn start(control_plane: &ControlPlane) -> Result<(Self, PathBuf)> {
        let path = crate::operator_process::kubeconfig(control_plane).await?;
        let text = std::fs::read_to_string(&path).map_err(|error| Error::new(error.to_string()))?;
        let mut kubeconfig: Value = serde_json::from_str(&text).map_err(|error| Error::new(error.to_string()))?;
        let ca = std::fs::read(control_plane.folder().join("ca.crt")).map_err(|error| Error::new(error.to_string()))?;
        let ca = reqwest::Certificate::from_pem(&ca).map_err(|error| Error::new(error.to_string()))?;
        let http = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build();
        let inner = Inner {
            upstream: format!("https://127.0.0.1:{}", control_plane.port()),
            http: http.map_err(|error| Error::new(error.to_string()))?,
            pending: Mutex::default(),
            shift: Mutex::default(),
        };
        let proxy = Self(Arc::new(inner));
        let listener =
            tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(|error| Error::new(error.to_string()))?;
        let address = listener.local_addr().map_err(|error| Error::new(error.to_string()))?;
        let router = Router::new().fallback(handle).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });

        kubeconfig["clusters"][0]["cluster"] = json!({"server": format!("http://{address}")});
        let path = control_plane.folder().join("proxied.kubeconfig");
        std::fs::write(&path, kubeconfig.to_string()).map_err(|error| Error::new(error.to_string()))?;
        Ok((proxy, path))
    }

    /// Makes one of these requests in this namespace fail; or all of them, until the fault is removed.
    pub fn inject(&self, namespace: &str, steps: Vec<ProtocolStep>, fault: ApiFault, persistent: bool) {
        self.pending_faults().push(PendingFault {
            namespace: namespace.to_owned(),
            steps,
            fault,
            persistent,
            injected: false,
        });
    }

    /// Removes the faults of this namespace.
    pub fn clear(&self, namespace: &str) {
        self.pending_faults().retain(|one| one.namespace != namespace);
    }

    /// From now on the dates of responses are wrong by this much.
    pub fn shift_clock(&self, by: SignedDuration) {
        *self.0.shift.lock().unwrap_or_else(PoisonError::into_inner) = by;
    }

    /// The date of a response, shifted.
    fn shifted_date(&self, date: &HeaderValue) -> Option<HeaderValue> {
        let shift = *self.0.shift.lock().unwrap_or_else(PoisonError::into_inner);
        let date = Timestamp::try_from(httpdate::parse_http_date(date.to_str().ok()?).ok()?).ok()?;
        HeaderValue::from_str(&httpdate::fmt_http_date(date.checked_add(shift).ok()?.into())).ok()
    }

    /// Namespaces whose fault was not injected yet.
    pub fn pending_namespaces(&self) -> Vec<String> {
        self.pending_faults().iter().filter(|one| !one.injected).map(|one| one.namespace.clone()).collect()
    }

    fn pending_faults(&self) -> std::sync::MutexGuard<'_, Vec<PendingFault>> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault to inject into this request.
    fn take_fault(&self, namespace: &str, step: ProtocolStep) -> Option<ApiFault> {
        let mut armed = self.pending_faults();
        let one = armed
            .iter_mut()
            .find(|one| (one.persistent || !one.injected) && one.namespace == namespace && one.steps.contains(&step))?;
        one.injected = true;
        Some(one.fault)
    }

    async fn forward(&self, method: Method, path: &str, headers: axum::http::HeaderMap, body: Bytes) -> Response {
        let mut request = self.0.http.request(method, format!("{}{path}", self.0.upstream)).body(body);
        for (name, value) in &headers {
            if ![header::HOST, header::CONTENT_LENGTH, header::CONNECTION].contains(name) {
                request = request.header(name, value);
            }
        }
        match request.send().await {
            Err(error) => status_response(502, &error.to_string()),
            Ok(answer) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = answer.status();
                for (name, value) in answer.headers() {
                    if ![header::TRANSFER_ENCODING, header::CONNECTION, header::CONTENT_LENGTH].contains(name) {
                        let shifted = (name == header::DATE).then(|| self.shifted_date(value)).flatten();
                        response.headers_mut().append(name, shifted.unwrap_or_else(|| value.clone()));
                    }
                }
                // A watch has no end: its data is forwarded as it arrives.
                *response.body_mut() = Body::from_stream(stream::unfold(answer, |mut answer| async {
                    answer.chunk().await.transpose().map(|piece| (piece, answer))
                }));
                response
            }
        }
    }
}

async fn handle(State(proxy): State<Proxy>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 8 << 20).await else { return status_response(400, "the body broke off") };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let step = ProtocolStep::of(&parts.method, parts.uri.path(), parts.uri.query().unwrap_or_default(), &body);
    let fault = step.and_then(|(namespace, step)| proxy.take_fault(&namespace, step));
    match fault {
        Some(ApiFault::KilledBefore) => std::future::pending().await,
        Some(ApiFault::Status(status)) => status_response(status, FAKE_MESSAGE),
        Some(ApiFault::Quota) => {
            status_response(403, "exceeded quota: full, requested: count/secrets=1, used: count/secrets=9")
        }
        other => {
            let answer = proxy.forward(parts.method, &path, parts.headers, body).await;
            match other {
                Some(ApiFault::KilledAfter | ApiFault::NoResponse) => std::future::pending().await,
                Some(ApiFault::StatusAfter(status)) => status_response(status, FAKE_MESSAGE),
                _ => answer,
            }
        }
    }
}

/// The message of the proxy's responses in place of the API server's.
pub const FAKE_MESSAGE: &str = "injected by the proxy";

/// A response in the API server's format.
fn status_response(status: u16, message: &str) -> Response {
    let reason = match status {
        403 => "Forbidden",
        409 => "Conflict",
        422 => "Invalid",
        429 => "TooManyRequests",
        504 => "Timeout",
        _ => "InternalError",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "reason": reason, "message": message,
    });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The longest wait for faults to be injected.
pub const INJECTION_LIMIT: Duration = Duration::from_secs(18);
