//! `/debug/pprof/heap` of the operator's own binary.

use flate2::read::GzDecoder;
use std::io::Read as _;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long the operator may take.
const LIMIT: Duration = Duration::from_mins(1);
/// A password that the process holds, and no profile contains.
const PASSWORD: &str = "a-bearer-token-that-stays-in-memory";

/// Variables and their values.
type Environment<'a> = &'a [(&'a str, &'a str)];

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// A kubeconfig whose API server does not listen.
fn kubeconfig() -> NamedTempFile {
    let file = NamedTempFile::new().expect("a file");
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, \
         clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{}'}}}}], users: [{{name: c, user: {{token: {PASSWORD}}}}}], \
         contexts: [{{name: c, context: {{cluster: c, user: c}}}}]}}",
        free_port()
    );
    std::fs::write(file.path(), text).expect("written");
    file
}

fn run(environment: Environment<'_>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_registry-token-operator"));
    command.args(["run", "--log-format=text"]).env_clear().env("LISTEN", "127.0.0.1:0");
    command.envs(environment.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().expect("started")
}

/// Exit code and log of a process that ends by itself.
async fn ended(environment: Environment<'_>) -> (Option<i32>, String) {
    let output = timeout(LIMIT, run(environment).wait_with_output()).await.expect("it ends by itself").expect("ended");
    (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
}

/// The first response at this address, and its content type.
async fn get(port: u16, path: &str) -> (u16, String, Vec<u8>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (url, deadline) = (format!("http://127.0.0.1:{port}{path}"), Instant::now() + LIMIT);
    loop {
        match reqwest::get(&url).await {
            Ok(response) => {
                let content_type = response.headers().get("content-type").map(|value| value.to_str().expect("text"));
                let content_type = content_type.unwrap_or_default().to_owned();
                return (response.status().as_u16(), content_type, response.bytes().await.expect("a body").to_vec());
            }
            Err(error) => assert!(Instant::now() < deadline, "{url}: {error}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a byte");
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    number
}

/// The fields of a protobuf message that have a length, with their numbers.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut found = vec![];
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        match key & 7 {
            0 => drop(varint(&mut bytes)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("a length");
                let (field, rest) = bytes.split_at(length);
                bytes = rest;
                found.push((key >> 3, field));
            }
            other => panic!("wire type {other} is not in a profile"),
        }
    }
    found
}

#[tokio::test]
async fn the_heap_profile_names_functions_and_contains_no_content() {
    let (health, pprof, kubeconfig) = (free_port(), free_port(), kubeconfig());
    let (listen, address) = (format!("127.0.0.1:{health}"), format!("127.0.0.1:{pprof}"));
    // `prof_active:false`: the flag is enough to begin.
    let _operator = run(&[
        ("LISTEN", &listen),
        ("PPROF_BIND_ADDRESS", &address),
        ("_RJEM_MALLOC_CONF", "prof:true,prof_active:false,lg_prof_sample:12"),
        ("KUBECONFIG", &kubeconfig.path().display().to_string()),
    ]);
    assert_eq!(get(health, "/livez").await.0, 200);
    let (status, content_type, profile) = get(pprof, "/debug/pprof/heap").await;
    assert_eq!((status, content_type.as_str()), (200, "application/octet-stream"));
    assert_eq!(profile[..3], [0x1f, 0x8b, 8], "gzip");
    let mut message = vec![];
    GzDecoder::new(&profile[..]).read_to_end(&mut message).expect("unpacked");
    // The numbers of profile.proto: 2 is a sample, and 6 a string.
    let fields = fields(&message);
    let samples = fields.iter().filter(|(number, _)| *number == 2).count();
    let strings: Vec<String> = fields
        .iter()
        .filter(|(number, _)| *number == 6)
        .map(|(_, text)| String::from_utf8(text.to_vec()).expect("UTF-8"))
        .collect();
    assert!(samples > 10, "{samples} samples");
    assert!(strings.iter().any(|text| text == "inuse_space"), "{strings:?}");
    assert!(strings.iter().any(|text| text.contains("registry_token_operator::")), "functions are named: {strings:?}");
    assert!(!String::from_utf8_lossy(&message).contains(PASSWORD));

    for path in ["/metrics", "/livez", "/debug/pprof/profile", "/debug/pprof/"] {
        assert_eq!(get(pprof, path).await.0, 404, "{path}");
    }
    assert_eq!(get(health, "/debug/pprof/heap").await.0, 404, "every Pod reaches the health port");
}

#[tokio::test]
async fn without_the_flag_no_profile_is_served() {
    let (health, kubeconfig) = (free_port(), kubeconfig());
    let mut operator = run(&[
        ("LISTEN", &format!("127.0.0.1:{health}")),
        ("_RJEM_MALLOC_CONF", "prof:true"),
        ("KUBECONFIG", &kubeconfig.path().display().to_string()),
    ]);
    assert_eq!(get(health, "/debug/pprof/heap").await.0, 404);
    operator.kill().await.expect("killed");
    let output = operator.wait_with_output().await.expect("ended");
    let log = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(log.contains("health server listening") && !log.contains("profile"), "{log}");
}

#[tokio::test]
async fn what_prevents_a_profile_ends_the_process_with_an_error_that_says_what_to_set() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let free = format!("127.0.0.1:{}", free_port());
    let with = ("_RJEM_MALLOC_CONF", "prof:true");
    let cases: &[(Environment<'_>, i32, &[&str])] = &[
        (&[("PPROF_BIND_ADDRESS", &free)], 1, &["_RJEM_MALLOC_CONF=prof:true", "--pprof-bind-address"]),
        (
            &[("PPROF_BIND_ADDRESS", &free), ("_RJEM_MALLOC_CONF", "prof:false")],
            1,
            &["_RJEM_MALLOC_CONF=prof:true", "--pprof-bind-address"],
        ),
        (&[("PPROF_BIND_ADDRESS", &free), with, ("TMPDIR", "/absent")], 1, &["/absent", "TMPDIR"]),
        (&[("PPROF_BIND_ADDRESS", &taken), with], 1, &[&taken, "in use", "--pprof-bind-address"]),
        (&[("PPROF_BIND_ADDRESS", "0.0.0.0:6060"), with], 2, &["127.0.0.1:6060", "kubectl port-forward"]),
    ];
    for (environment, code, expected) in cases {
        let (ended_with, log) = ended(environment).await;
        assert_eq!(ended_with, Some(*code), "{log}");
        for text in *expected {
            assert!(log.contains(text), "{text}: {log}");
        }
        assert!(!log.contains("panicked"), "{log}");
    }
}
