//! What the client reports about a request whose connection broke at different moments, compared with what really
//! arrived: no layer repeats a task on its own, and nothing that may have been sent counts as not sent.

use crate::portal_client::fixtures::{basic, delivery_and_reason, minimal_spec, settings};
use crate::portal_client::minimal_portal::{PASSWORD, Shape, ShapeList, metadata};
use crate::raw_server::http2::{self, Http2Server, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM};
use crate::raw_server::{ConnectionAction, ConnectionPhase, RawRequest, RawServer, response, self_signed_tls};
use registry_token_operator::api::{Reason, ShortDuration};
use registry_token_operator::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use registry_token_operator::portal::{Delivery, Portal as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

const TOKEN: &str = r#"{"username":"u","secret":"s","token_id":1}"#;

/// A client with short timeouts, which trusts this CA or uses plain HTTP.
fn portal(address: &str, ca_pem: Option<String>) -> ThinkwisePortal {
    let scheme = if ca_pem.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}/indicium");
    let mut settings =
        ThinkwiseSettings { ca_pem, spec: minimal_spec(&url, &without_list()), ..settings(&url, basic(PASSWORD)) };
    settings.limits.first_byte_timeout = ShortDuration(Duration::from_secs(1));
    settings.limits.request_timeout = ShortDuration(Duration::from_millis(1300));
    ThinkwisePortal::new(settings).expect("a portal")
}

/// A server that returns its `$metadata` and then closes the connection, so that the first task uses a new one; from
/// then on it follows the script.
async fn server_with_metadata(
    tls: Option<TlsAcceptor>,
    script: impl Fn(ConnectionPhase, &RawRequest) -> ConnectionAction + Send + Sync + 'static,
) -> RawServer {
    let answered = AtomicUsize::new(0);
    RawServer::start(tls, move |at, seen| match (at, metadata_for(seen.path())) {
        (ConnectionPhase::RequestReceived, Some(body))
            if answered.fetch_add(1, Ordering::SeqCst) + 1 < METADATA_REQUESTS =>
        {
            response(200, &[], &body)
        }
        (ConnectionPhase::RequestReceived, Some(body)) => {
            let length = body.len();
            ConnectionAction::SendAndClose(format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            ))
        }
        (ConnectionPhase::Accepted | ConnectionPhase::Connected, _)
            if answered.load(Ordering::SeqCst) < METADATA_REQUESTS =>
        {
            ConnectionAction::Continue
        }
        (ConnectionPhase::HeadersReceived, Some(_)) => ConnectionAction::Continue,
        _ => script(at, seen),
    })
    .await
}

/// Reads of `$metadata`. It contains no list, so a new token is not looked up: only the tasks are counted.
const METADATA_REQUESTS: usize = 1;

fn metadata_for(path: &str) -> Option<String> {
    path.ends_with("/$metadata").then(|| metadata(&without_list()))
}

fn without_list() -> Shape {
    Shape { list: ShapeList::Absent, ..Shape::default() }
}

/// A client that has resolved the interface of this server.
async fn resolved_portal(server: &RawServer, ca_pem: Option<String>) -> ThinkwisePortal {
    let portal = portal(&server.address, ca_pem);
    portal.resolve().await.expect("it fits");
    assert_eq!((server.requests().len(), server.connections()), (METADATA_REQUESTS, 1));
    portal
}

/// The requests that arrived and the connections that were opened since it was resolved.
fn counts_since_resolve(server: &RawServer) -> (usize, usize) {
    (server.requests().len() - METADATA_REQUESTS, server.connections() - 1)
}

fn close() -> ConnectionAction {
    ConnectionAction::SendAndClose(String::new())
}

fn send_and_close(text: &str) -> ConnectionAction {
    ConnectionAction::SendAndClose(text.to_owned())
}

#[tokio::test]
async fn no_request_accepts_a_compressed_response() {
    let server = server_with_metadata(None, |at, _| {
        if at == ConnectionPhase::RequestReceived { response(200, &[], TOKEN) } else { ConnectionAction::Continue }
    })
    .await;
    let portal = resolved_portal(&server, None).await;
    portal.request("d").await.expect("a token");
    let seen = server.requests();
    assert_eq!(seen.len(), METADATA_REQUESTS + 1);
    for request in &seen {
        assert_eq!(request.header("accept-encoding"), "identity", "{}", request.request_line);
    }
}

#[tokio::test]
async fn a_broken_connection_means_unknown_and_exactly_one_arrival() {
    let half_body = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", TOKEN.len(), &TOKEN[..20]);
    let broken = (Delivery::Unknown, Reason::Unreachable);
    let late = (Delivery::Unknown, Reason::TimedOut);
    let cases = [
        // The server read nothing, but the client cannot know that.
        (ConnectionPhase::Connected, close(), broken, 0),
        (ConnectionPhase::Connected, ConnectionAction::Hang, late, 0),
        (ConnectionPhase::HeadersReceived, close(), broken, 1),
        (ConnectionPhase::RequestReceived, close(), broken, 1),
        (ConnectionPhase::RequestReceived, ConnectionAction::Hang, late, 1),
        (ConnectionPhase::RequestReceived, send_and_close("HTTP/1.1 100 Continue\r\n\r\n"), broken, 1),
        (ConnectionPhase::RequestReceived, send_and_close("HTTP/1.1 200 OK\r\nContent-Le"), broken, 1),
        (ConnectionPhase::RequestReceived, send_and_close("SSH-2.0-OpenSSH_9.9\r\n"), broken, 1),
        (ConnectionPhase::RequestReceived, send_and_close(&half_body), broken, 1),
        (ConnectionPhase::RequestReceived, ConnectionAction::Send(half_body), late, 1),
        // A rejection counts however it ends, and whenever it arrives.
        (
            ConnectionPhase::HeadersReceived,
            send_and_close("HTTP/1.1 413 Large\r\nContent-Length: 9\r\n\r\nha"),
            (Delivery::Rejected, Reason::RequestRejected),
            1,
        ),
        (
            ConnectionPhase::RequestReceived,
            send_and_close("HTTP/1.1 400 Bad\r\nContent-Length: 9\r\n\r\nha"),
            (Delivery::Rejected, Reason::RequestRejected),
            1,
        ),
        (
            ConnectionPhase::RequestReceived,
            send_and_close("HTTP/1.1 504 Late\r\nContent-Length: 9\r\n\r\nha"),
            (Delivery::Unknown, Reason::PortalError),
            1,
        ),
    ];
    for (point, action, means, arrivals) in cases {
        for secure in [false, true] {
            let (acceptor, pem) = self_signed_tls(&[]);
            let ordered = action.clone();
            let script = move |at, _: &_| if at == point { ordered.clone() } else { ConnectionAction::Continue };
            let server = server_with_metadata(secure.then_some(acceptor), script).await;
            let portal = resolved_portal(&server, secure.then_some(pem)).await;
            let failure = portal.request("d").await.expect_err("a fault");
            assert_eq!(delivery_and_reason(&failure), means, "{point:?} {action:?} over TLS: {secure}: {failure}");
            // A layer that repeats requests does so at once, or after a shorter delay.
            tokio::time::sleep(Duration::from_millis(80)).await;
            assert_eq!(counts_since_resolve(&server), (arrivals, 1), "{point:?} {action:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_tls_delivered_nothing() {
    let (acceptor, pem) = self_signed_tls(&[]);
    let server = server_with_metadata(Some(acceptor), |at, _| {
        if at == ConnectionPhase::Accepted { close() } else { ConnectionAction::Continue }
    })
    .await;
    let portal = resolved_portal(&server, Some(pem)).await;
    let failure = portal.request("d").await.expect_err("no TLS");
    assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, Reason::Unreachable), "{failure}");
    assert_eq!(counts_since_resolve(&server), (0, 1));
}

/// A repeated request is most likely on a connection that was used before.
#[tokio::test]
async fn a_reused_connection_that_breaks_delivered_its_request_once() {
    for point in [ConnectionPhase::HeadersReceived, ConnectionPhase::RequestReceived] {
        let count = AtomicUsize::new(0);
        let script = move |at, _: &_| match (at, count.load(Ordering::SeqCst)) {
            (ConnectionPhase::RequestReceived, 0) => {
                count.fetch_add(1, Ordering::SeqCst);
                response(200, &[], TOKEN)
            }
            (at, 1) if at == point => close(),
            _ => ConnectionAction::Continue,
        };
        let server = server_with_metadata(None, script).await;
        let portal = resolved_portal(&server, None).await;
        portal.request("first").await.expect("a token");
        let failure = portal.request("second").await.expect_err("a fault");
        assert_eq!(delivery_and_reason(&failure), (Delivery::Unknown, Reason::Unreachable), "{failure}");
        tokio::time::sleep(Duration::from_millis(80)).await;
        assert_eq!(counts_since_resolve(&server), (2, 1), "{point:?}");
    }
}

/// The server closes the connection while the next request is being sent: the request uses a new connection if none of
/// its bytes were written, and otherwise fails; it never arrives twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_closed_just_before_its_reuse_delivers_at_most_once() {
    for delay in (0..300).step_by(2) {
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{TOKEN}", TOKEN.len());
        let action = ConnectionAction::SendAndCloseAfter(text, Duration::from_micros(delay));
        let server = server_with_metadata(None, move |at, _| {
            if at == ConnectionPhase::RequestReceived { action.clone() } else { ConnectionAction::Continue }
        })
        .await;
        let portal = resolved_portal(&server, None).await;
        let mut delivered = 0;
        for call in 0..3 {
            match portal.request("d").await {
                Ok(_) => delivered += 1,
                Err(failure) => {
                    assert!(call > 0, "the first has a connection of its own: {failure}");
                    assert_eq!(delivery_and_reason(&failure), (Delivery::Unknown, Reason::Unreachable), "{failure}");
                }
            }
        }
        assert_eq!(
            counts_since_resolve(&server).0,
            delivered,
            "requests that failed did not arrive, requests that arrived did not fail"
        );
    }
}

/// The same for an HTTP/2 server. Its script counts from the first task.
async fn http2_server_with_metadata(
    script: impl Fn(usize) -> http2::StreamAction + Clone + Send + 'static,
) -> (Http2Server, ThinkwisePortal) {
    let (acceptor, pem) = self_signed_tls(&["h2"]);
    let document: &'static str = metadata(&without_list()).leak();
    let server = Http2Server::start(acceptor, move |number| match number {
        0 => http2::StreamAction::AnswerAndGoAway(document),
        _ => script(number - METADATA_REQUESTS),
    })
    .await;
    let portal = portal(&server.address, Some(pem));
    portal.resolve().await.expect("it fits");
    let left = async {
        while server.is_connected() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), left).await.expect("the client disconnects after GOAWAY");
    assert_eq!((server.requests(), server.connections()), (METADATA_REQUESTS, 1));
    (server, portal)
}

#[tokio::test]
async fn a_stream_that_http2_refuses_is_not_repeated() {
    for (action, means) in [
        (http2::StreamAction::Reset(REFUSED_STREAM), (Delivery::Unknown, Reason::Unreachable)),
        (http2::StreamAction::Reset(INTERNAL_ERROR), (Delivery::Unknown, Reason::Unreachable)),
        (http2::StreamAction::GoAway(0, NO_ERROR), (Delivery::Unknown, Reason::Unreachable)),
        (http2::StreamAction::GoAway(0, INTERNAL_ERROR), (Delivery::Unknown, Reason::Unreachable)),
        (http2::StreamAction::GoAway(1, NO_ERROR), (Delivery::Unknown, Reason::Unreachable)),
        (http2::StreamAction::Close, (Delivery::Unknown, Reason::Unreachable)),
    ] {
        // On a new connection, and on one that was used before.
        for served in [0, 1] {
            let script = move |number| if number == served { action } else { http2::StreamAction::Answer(TOKEN) };
            let (server, portal) = http2_server_with_metadata(script).await;
            for _ in 0..served {
                portal.request("d").await.expect("a token");
            }
            let failure = portal.request("d").await.expect_err("a fault");
            assert_eq!(delivery_and_reason(&failure), means, "{action:?}: {failure}");
            tokio::time::sleep(Duration::from_millis(80)).await;
            let since = (server.requests() - METADATA_REQUESTS, server.connections() - 1);
            assert_eq!(since, (served + 1, 1), "{action:?}");
            portal.request("d").await.expect("the next one is served");
        }
    }
}

#[tokio::test]
async fn after_an_http2_goaway_the_next_request_arrives_at_most_once() {
    for _ in 0..30 {
        let (server, portal) = http2_server_with_metadata(|_| http2::StreamAction::AnswerAndGoAway(TOKEN)).await;
        for call in 0..3 {
            let before = server.requests();
            let answered = portal.request("d").await;
            match &answered {
                Ok(_) => {}
                Err(failure) => assert_eq!((call > 0, failure.delivery), (true, Delivery::Unknown), "{failure}"),
            }
            assert!(server.requests() - before <= 1, "{answered:?}");
            assert!(answered.is_err() || server.requests() - before == 1);
        }
    }
}
