//! A proxy between the operator and the API server that can corrupt responses.

use crate::control_plane::ControlPlane;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Uri, header};
use axum::response::Response;
use futures::stream;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// What the proxy does to a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFault {
    /// Forwards it unchanged.
    PassThrough,
    /// Returns the full object where only its metadata was requested.
    FullObject,
    /// Returns the full object without its last bytes.
    Truncated,
    /// Returns the full object with a string as its `data`, which contains the data.
    Mistyped,
    /// Returns the full object with an error status.
    AsError,
    /// Neither forwards nor answers the request.
    NoResponse,
}

type Choose = dyn Fn(&Method, &Uri) -> ResponseFault + Send + Sync;

#[derive(Clone)]
struct Proxy {
    upstream: String,
    http: reqwest::Client,
    choose: Arc<Choose>,
}

/// Starts a proxy; returns a kubeconfig that connects through it.
pub async fn start(
    control_plane: &ControlPlane,
    choose: impl Fn(&Method, &Uri) -> ResponseFault + Send + Sync + 'static,
) -> PathBuf {
    let path = crate::operator_process::kubeconfig(control_plane).await.expect("kubeconfig");
    let mut kubeconfig: Value =
        serde_json::from_str(&std::fs::read_to_string(&path).expect("read")).expect("a kubeconfig in JSON");
    let ca = std::fs::read(control_plane.folder().join("ca.crt")).expect("read");
    let ca = reqwest::Certificate::from_pem(&ca).expect("a certificate");
    let proxy = Proxy {
        upstream: format!("https://127.0.0.1:{}", control_plane.port()),
        http: reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().expect("a client"),
        choose: Arc::new(choose),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().fallback(handle).with_state(proxy);
    tokio::spawn(async move { axum::serve(listener, router).await });
    kubeconfig["clusters"][0]["cluster"] = json!({"server": format!("http://{address}")});
    let path = control_plane.folder().join("spoiled.kubeconfig");
    std::fs::write(&path, kubeconfig.to_string()).expect("written");
    path
}

async fn handle(State(proxy): State<Proxy>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 8 << 20).await.expect("a body");
    let spoil = (proxy.choose)(&parts.method, &parts.uri);
    if spoil == ResponseFault::NoResponse {
        return std::future::pending().await;
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut forwarded = proxy.http.request(parts.method, format!("{}{path}", proxy.upstream)).body(body);
    for (name, value) in &parts.headers {
        let ours = [header::HOST, header::CONTENT_LENGTH, header::CONNECTION].contains(name);
        if !ours && (spoil == ResponseFault::PassThrough || name != header::ACCEPT) {
            forwarded = forwarded.header(name, value);
        }
    }
    let mut response = Response::new(Body::empty());
    let Ok(answer) = forwarded.send().await else {
        *response.status_mut() = axum::http::StatusCode::BAD_GATEWAY;
        return response;
    };
    *response.status_mut() = answer.status();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if matches!(spoil, ResponseFault::PassThrough | ResponseFault::FullObject) {
        // A watch has no end: its data is forwarded as it arrives.
        *response.body_mut() = Body::from_stream(stream::unfold(answer, |mut answer| async {
            answer.chunk().await.transpose().map(|piece| (piece, answer))
        }));
        return response;
    }
    let text = answer.text().await.unwrap_or_default();
    let text = match spoil {
        ResponseFault::Truncated => text.trim_end().trim_end_matches('}').to_owned(),
        ResponseFault::Mistyped => {
            let mut object: Value = serde_json::from_str(&text).unwrap_or_default();
            object["data"] = json!(object["data"].to_string());
            object.to_string()
        }
        _ => {
            *response.status_mut() = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
            text
        }
    };
    *response.body_mut() = Body::from(text);
    response
}
