//! A proxy between operator and API server that can spoil one request, or all of a kind for a while, and
//! tell another time.

use crate::control_plane::{ControlPlane, Error, Result};
use crate::steps::ProtocolStep;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures::stream;
use jiff::SignedDuration;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiFault {
    /// It does not arrive, and its sender dies.
    KilledBefore,
    /// It is carried out, and its sender dies.
    KilledAfter,
    /// Not carried out, and answered with this status.
    Status(u16),
    /// Not carried out, for a quota is used up.
    Quota,
    /// Carried out, and answered with this status.
    StatusAfter(u16),
    /// Carried out, and never answered.
    NoResponse,
}

/// A mishap that is to come.
struct PendingFault {
    namespace: String,
    steps: Vec<ProtocolStep>,
    fault: ApiFault,
    /// It comes again and again.
    persistent: bool,
    /// It came.
    injected: bool,
}

/// The proxy.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    upstream: String,
    http: reqwest::Client,
    pending: Mutex<Vec<PendingFault>>,
    /// By how much the answers' dates are wrong.
    shift: Mutex<SignedDuration>,
}

impl Proxy {
    /// Starts one, and writes a kubeconfig that leads through it.
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

    /// Has one of these requests in this namespace go wrong; or all of them, until it is lifted.
    pub fn inject(&self, namespace: &str, steps: Vec<ProtocolStep>, fault: ApiFault, persistent: bool) {
        self.pending_faults().push(PendingFault {
            namespace: namespace.to_owned(),
            steps,
            fault,
            persistent,
            injected: false,
        });
    }

    /// Nothing goes wrong in this namespace any more.
    pub fn clear(&self, namespace: &str) {
        self.pending_faults().retain(|one| one.namespace != namespace);
    }

    /// From now on the answers' dates are wrong by so much.
    pub fn shift_clock(&self, by: SignedDuration) {
        *self.0.shift.lock().unwrap_or_else(PoisonError::into_inner) = by;
    }

    /// The date of an answer, as it is told.
    fn shifted_date(&self, date: &HeaderValue) -> Option<HeaderValue> {
        let shift = *self.0.shift.lock().unwrap_or_else(PoisonError::into_inner);
        let date = DateTimeParser::new().parse_timestamp(date.to_str().ok()?).ok()?.checked_add(shift).ok()?;
        HeaderValue::from_str(&DateTimePrinter::new().timestamp_to_rfc9110_string(&date).ok()?).ok()
    }

    /// Namespaces whose mishap has not come yet.
    pub fn pending_namespaces(&self) -> Vec<String> {
        self.pending_faults().iter().filter(|one| !one.injected).map(|one| one.namespace.clone()).collect()
    }

    fn pending_faults(&self) -> std::sync::MutexGuard<'_, Vec<PendingFault>> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mishap that befalls this request.
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
                        let told = (name == header::DATE).then(|| self.shifted_date(value)).flatten();
                        response.headers_mut().append(name, told.unwrap_or_else(|| value.clone()));
                    }
                }
                // A watch has no end: what comes is passed on as it comes.
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

/// What the proxy says instead of the API server.
pub const FAKE_MESSAGE: &str = "made up by the proxy";

/// An answer as the API server words it.
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

/// Longest wait for mishaps to come.
pub const INJECTION_LIMIT: Duration = Duration::from_secs(18);
