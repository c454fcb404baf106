//! What the client says of a request whose connection broke, by the moment in which it broke, held
//! against what really arrived: no layer repeats a task by itself, and nothing that may have been
//! sent counts as unsent.

use crate::client::fake::{List, PASSWORD, Shape, metadata};
use crate::client::world::{basic, kind, open, settings};
use crate::raw::http2::{self, Http2Server, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM};
use crate::raw::{At, Deed, RawServer, Seen, answer, tls};
use registry_token_operator::api::{Reason, ShortDuration};
use registry_token_operator::portal::thinkwise::{Settings, ThinkwisePortal};
use registry_token_operator::portal::{Portal as _, Sent};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

const TOKEN: &str = r#"{"username":"u","secret":"s","token_id":1}"#;

/// A client that does not wait long, and trusts this CA or speaks http.
fn portal(address: &str, ca_pem: Option<String>) -> ThinkwisePortal {
    let scheme = if ca_pem.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}/indicium");
    let mut settings = Settings { ca_pem, spec: open(&url, &listless()), ..settings(&url, basic(PASSWORD)) };
    settings.limits.first_byte_timeout = ShortDuration(Duration::from_secs(1));
    settings.limits.request_timeout = ShortDuration(Duration::from_millis(1300));
    ThinkwisePortal::new(settings).expect("a portal")
}

/// A server that tells what it is, and then closes the connection, so that the first task has a new
/// one; of what comes afterwards the script decides.
async fn told(tls: Option<TlsAcceptor>, script: impl Fn(At, &Seen) -> Deed + Send + Sync + 'static) -> RawServer {
    let told = AtomicUsize::new(0);
    RawServer::start(tls, move |at, seen| match (at, reading(seen.path())) {
        (At::Request, Some(body)) if told.fetch_add(1, Ordering::SeqCst) + 1 < READINGS => answer(200, &[], &body),
        (At::Request, Some(body)) => {
            let length = body.len();
            Deed::SayAndClose(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"))
        }
        (At::Arrival | At::Connection, _) if told.load(Ordering::SeqCst) < READINGS => Deed::Read,
        (At::Head, Some(_)) => Deed::Read,
        _ => script(at, seen),
    })
    .await
}

/// `$metadata`. It shows no list, so a new token is not looked up: the tasks are all that is counted.
const READINGS: usize = 1;

fn reading(path: &str) -> Option<String> {
    path.ends_with("/$metadata").then(|| metadata(&listless()))
}

fn listless() -> Shape {
    Shape { list: List::Absent, ..Shape::default() }
}

/// A client that knows what it needs to know of this server.
async fn knowing(server: &RawServer, ca_pem: Option<String>) -> ThinkwisePortal {
    let portal = portal(&server.address, ca_pem);
    portal.resolve().await.expect("it fits");
    assert_eq!((server.seen().len(), server.connections()), (READINGS, 1));
    portal
}

/// The requests that arrived and the connections that were opened since it is known.
fn since(server: &RawServer) -> (usize, usize) {
    (server.seen().len() - READINGS, server.connections() - 1)
}

fn close() -> Deed {
    Deed::SayAndClose(String::new())
}

fn say_and_close(text: &str) -> Deed {
    Deed::SayAndClose(text.to_owned())
}

#[tokio::test]
async fn no_request_asks_for_a_compressed_answer() {
    let server = told(None, |at, _| if at == At::Request { answer(200, &[], TOKEN) } else { Deed::Read }).await;
    let portal = knowing(&server, None).await;
    portal.request("d").await.expect("a token");
    let seen = server.seen();
    assert_eq!(seen.len(), READINGS + 1);
    for request in &seen {
        assert_eq!(request.header("accept-encoding"), "identity", "{}", request.line);
    }
}

#[tokio::test]
async fn a_broken_connection_means_perhaps_and_exactly_one_arrival() {
    let half_body = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", TOKEN.len(), &TOKEN[..20]);
    let broken = (Sent::Perhaps, Reason::Unreachable);
    let late = (Sent::Perhaps, Reason::TimedOut);
    let cases = [
        // Not one byte was read, but the client cannot know.
        (At::Connection, close(), broken, 0),
        (At::Connection, Deed::Silence, late, 0),
        (At::Head, close(), broken, 1),
        (At::Request, close(), broken, 1),
        (At::Request, Deed::Silence, late, 1),
        (At::Request, say_and_close("HTTP/1.1 100 Continue\r\n\r\n"), broken, 1),
        (At::Request, say_and_close("HTTP/1.1 200 OK\r\nContent-Le"), broken, 1),
        (At::Request, say_and_close("SSH-2.0-OpenSSH_9.9\r\n"), broken, 1),
        (At::Request, say_and_close(&half_body), broken, 1),
        (At::Request, Deed::Say(half_body), late, 1),
        // A refusal is one however it ends, and whenever it comes.
        (
            At::Head,
            say_and_close("HTTP/1.1 413 Large\r\nContent-Length: 9\r\n\r\nha"),
            (Sent::Refused, Reason::RequestRefused),
            1,
        ),
        (
            At::Request,
            say_and_close("HTTP/1.1 400 Bad\r\nContent-Length: 9\r\n\r\nha"),
            (Sent::Refused, Reason::RequestRefused),
            1,
        ),
        (
            At::Request,
            say_and_close("HTTP/1.1 504 Late\r\nContent-Length: 9\r\n\r\nha"),
            (Sent::Perhaps, Reason::PortalFailed),
            1,
        ),
    ];
    for (point, deed, means, arrivals) in cases {
        for secure in [false, true] {
            let (acceptor, pem) = tls(&[]);
            let ordered = deed.clone();
            let script = move |at, _: &_| if at == point { ordered.clone() } else { Deed::Read };
            let server = told(secure.then_some(acceptor), script).await;
            let portal = knowing(&server, secure.then_some(pem)).await;
            let failure = portal.request("d").await.expect_err("a fault");
            assert_eq!(kind(&failure), means, "{point:?} {deed:?} over TLS: {secure}: {failure}");
            // Whoever repeats does it at once, or with a delay below this.
            tokio::time::sleep(Duration::from_millis(80)).await;
            assert_eq!(since(&server), (arrivals, 1), "{point:?} {deed:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_tls_is_there_carried_nothing() {
    let (acceptor, pem) = tls(&[]);
    let server = told(Some(acceptor), |at, _| if at == At::Arrival { close() } else { Deed::Read }).await;
    let portal = knowing(&server, Some(pem)).await;
    let failure = portal.request("d").await.expect_err("no TLS");
    assert_eq!(kind(&failure), (Sent::No, Reason::Unreachable), "{failure}");
    assert_eq!(since(&server), (0, 1));
}

/// Repetition threatens most on a connection that has served before.
#[tokio::test]
async fn a_kept_connection_that_breaks_carried_its_request_once() {
    for point in [At::Head, At::Request] {
        let count = AtomicUsize::new(0);
        let script = move |at, _: &_| match (at, count.load(Ordering::SeqCst)) {
            (At::Request, 0) => {
                count.fetch_add(1, Ordering::SeqCst);
                answer(200, &[], TOKEN)
            }
            (at, 1) if at == point => close(),
            _ => Deed::Read,
        };
        let server = told(None, script).await;
        let portal = knowing(&server, None).await;
        portal.request("first").await.expect("a token");
        let failure = portal.request("second").await.expect_err("a fault");
        assert_eq!(kind(&failure), (Sent::Perhaps, Reason::Unreachable), "{failure}");
        tokio::time::sleep(Duration::from_millis(80)).await;
        assert_eq!(since(&server), (2, 1), "{point:?}");
    }
}

/// The server's farewell and the next request cross each other: the request goes over a new connection
/// if not a byte of it was written, and else fails; it never arrives twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_closed_just_before_its_reuse_delivers_at_most_once() {
    for delay in (0..300).step_by(2) {
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{TOKEN}", TOKEN.len());
        let deed = Deed::SayAndCloseSoon(text, Duration::from_micros(delay));
        let server = told(None, move |at, _| if at == At::Request { deed.clone() } else { Deed::Read }).await;
        let portal = knowing(&server, None).await;
        let mut delivered = 0;
        for call in 0..3 {
            match portal.request("d").await {
                Ok(_) => delivered += 1,
                Err(failure) => {
                    assert!(call > 0, "the first has a connection of its own: {failure}");
                    assert_eq!(kind(&failure), (Sent::Perhaps, Reason::Unreachable), "{failure}");
                }
            }
        }
        assert_eq!(since(&server).0, delivered, "whoever failed did not arrive, whoever arrived did not fail");
    }
}

/// The same of a server that speaks HTTP/2. Its script counts from the first task on.
async fn told_over_http2(
    script: impl Fn(usize) -> http2::Deed + Clone + Send + 'static,
) -> (Http2Server, ThinkwisePortal) {
    let (acceptor, pem) = tls(&["h2"]);
    let document: &'static str = metadata(&listless()).leak();
    let server = Http2Server::start(acceptor, move |number| match number {
        0 => http2::Deed::AnswerAndLeave(document),
        _ => script(number - READINGS),
    })
    .await;
    let portal = portal(&server.address, Some(pem));
    portal.resolve().await.expect("it fits");
    let left = async {
        while server.is_connected() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), left).await.expect("the client leaves after the goodbye");
    assert_eq!((server.requests(), server.connections()), (READINGS, 1));
    (server, portal)
}

#[tokio::test]
async fn a_stream_that_http2_refuses_is_not_repeated() {
    for (deed, means) in [
        (http2::Deed::Reset(REFUSED_STREAM), (Sent::Perhaps, Reason::Unreachable)),
        (http2::Deed::Reset(INTERNAL_ERROR), (Sent::Perhaps, Reason::Unreachable)),
        (http2::Deed::Leave(0, NO_ERROR), (Sent::Perhaps, Reason::Unreachable)),
        (http2::Deed::Leave(0, INTERNAL_ERROR), (Sent::Perhaps, Reason::Unreachable)),
        (http2::Deed::Leave(1, NO_ERROR), (Sent::Perhaps, Reason::Unreachable)),
        (http2::Deed::Close, (Sent::Perhaps, Reason::Unreachable)),
    ] {
        // On a new connection, and on one that has served before.
        for served in [0, 1] {
            let script = move |number| if number == served { deed } else { http2::Deed::Answer(TOKEN) };
            let (server, portal) = told_over_http2(script).await;
            for _ in 0..served {
                portal.request("d").await.expect("a token");
            }
            let failure = portal.request("d").await.expect_err("a fault");
            assert_eq!(kind(&failure), means, "{deed:?}: {failure}");
            tokio::time::sleep(Duration::from_millis(80)).await;
            let since = (server.requests() - READINGS, server.connections() - 1);
            assert_eq!(since, (served + 1, 1), "{deed:?}");
            portal.request("d").await.expect("the next one is served");
        }
    }
}

#[tokio::test]
async fn after_a_goodbye_of_http2_the_next_request_arrives_at_most_once() {
    for _ in 0..30 {
        let (server, portal) = told_over_http2(|_| http2::Deed::AnswerAndLeave(TOKEN)).await;
        for call in 0..3 {
            let before = server.requests();
            let answered = portal.request("d").await;
            match &answered {
                Ok(_) => {}
                Err(failure) => assert_eq!((call > 0, failure.sent), (true, Sent::Perhaps), "{failure}"),
            }
            assert!(server.requests() - before <= 1, "{answered:?}");
            assert!(answered.is_err() || server.requests() - before == 1);
        }
    }
}
