use super::*;
use axum::body::{Body, HttpBody as _};
use axum::http::{Method, Request};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use tokio::time::timeout;
use tower::ServiceExt as _;

/// Status, content type and text of the response.
async fn respond(routes: &Router, method: Method, path: &str) -> (StatusCode, String, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
    let response = routes.clone().oneshot(request).await.expect("a response");
    let content_type = response.headers().get(CONTENT_TYPE).map(|value| value.to_str().expect("text").to_owned());
    let (status, mut body) = (response.status(), response.into_body());
    let mut text = vec![];
    while let Some(frame) = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await {
        text.extend(frame.expect("a frame").into_data().expect("data"));
    }
    (status, content_type.unwrap_or_default(), String::from_utf8(text).expect("UTF-8"))
}

async fn get_heap(routes: &Router) -> (StatusCode, String) {
    let response = respond(routes, Method::GET, "/debug/pprof/heap");
    let (status, _, text) = timeout(Duration::from_secs(20), response).await.expect("a response in time");
    (status, text)
}

#[tokio::test]
async fn a_profile_is_served_at_its_path_and_nothing_at_any_other() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let routes = routes(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(b"a profile".to_vec())
    });
    let served = respond(&routes, Method::GET, "/debug/pprof/heap").await;
    assert_eq!(served, (StatusCode::OK, "application/octet-stream".to_owned(), "a profile".to_owned()));
    for path in
        ["/", "/debug/pprof", "/debug/pprof/", "/debug/pprof/heap/", "/debug/pprof/profile", "/metrics", "/livez"]
    {
        assert_eq!(respond(&routes, Method::GET, path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(respond(&routes, Method::POST, "/debug/pprof/heap").await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(calls.load(Ordering::SeqCst), 1, "no other request writes a profile");
}

#[tokio::test]
async fn one_profile_is_written_at_a_time_even_if_its_client_is_gone() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
    let (finish, may_finish) = mpsc::channel();
    let may_finish = std::sync::Mutex::new(may_finish);
    let routes = routes(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        begun.send(()).expect("a test that waits");
        may_finish.lock().expect("no panic").recv().expect("a test that ends it");
        Ok(b"a profile".to_vec())
    });
    let client = tokio::spawn({
        let routes = routes.clone();
        async move { get_heap(&routes).await }
    });
    has_begun.recv().await.expect("begun");
    let (status, text) = get_heap(&routes).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text, "another heap profile is being written: try again\n");
    client.abort();
    assert!(client.await.expect_err("it is gone").is_cancelled());
    assert_eq!(get_heap(&routes).await.0, StatusCode::SERVICE_UNAVAILABLE, "it is still written");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    // The first one, and a second one.
    finish.send(()).expect("it waits");
    finish.send(()).expect("it waits");
    let served = timeout(Duration::from_secs(20), async {
        loop {
            let (status, text) = get_heap(&routes).await;
            if status == StatusCode::OK {
                break text;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert_eq!(served.await.expect("served again"), "a profile");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_failure_is_reported_and_the_next_request_is_served() {
    let first = std::sync::Mutex::new(true);
    let routes = routes(move || {
        if std::mem::take(&mut *first.lock().expect("no panic")) {
            return Err(HeapProfileError::NotWritten { folder: PathBuf::from("/full"), reason: "no space".to_owned() });
        }
        Ok(b"a profile".to_vec())
    });
    let (status, text) = get_heap(&routes).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text.starts_with("cannot write a heap profile to the folder /full: no space") && text.contains("TMPDIR"));
    assert_eq!(get_heap(&routes).await, (StatusCode::OK, "a profile".to_owned()));
}

#[tokio::test]
async fn without_the_profiler_of_jemalloc_the_error_names_what_to_set() {
    let error = Profiling::listen("127.0.0.1:6060".parse().expect("loopback")).await.err().expect("no profiler");
    let is_expected =
        matches!(error, ProfilingError::Heap(HeapProfileError::NotStarted | HeapProfileError::NoJemalloc));
    assert!(is_expected, "{error}");
    let errors = [HeapProfileError::NotStarted, HeapProfileError::NoJemalloc].map(|error| error.to_string());
    assert!(errors[0].contains("set the environment variable _RJEM_MALLOC_CONF=prof:true"), "{}", errors[0]);
    assert!(errors[1].contains("its allocator is not jemalloc"), "{}", errors[1]);
    for error in errors {
        assert!(error.ends_with("remove --pprof-bind-address (PPROF_BIND_ADDRESS)"), "{error}");
    }
}
