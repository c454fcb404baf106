//! The health port, when another process listens on it.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// Runs the operator until it ends by itself; returns its exit code and its log.
async fn run(listen: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_registry-token-operator"));
    command.args(["run", "--log-format=text"]).env_clear().env("LISTEN", listen);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let ended = command.spawn().expect("started").wait_with_output();
    let output = timeout(Duration::from_secs(20), ended).await.expect("it ends by itself").expect("ended");
    (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
}

#[tokio::test]
async fn a_port_in_use_ends_the_process_with_an_error_that_names_port_and_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    for listen in [SocketAddr::from(([127, 0, 0, 1], port)).to_string(), format!("[::]:{port}")] {
        let (code, log) = run(&listen).await;
        assert_eq!(code, Some(1), "{log}");
        let last = log.lines().last().unwrap_or_default();
        for expected in [format!("port {port}"), "in use".to_owned(), "--listen".to_owned(), "LISTEN".to_owned()] {
            assert!(last.contains(&expected), "{expected}: {log}");
        }
        assert!(!log.contains("panicked"), "{log}");
    }
}
