//! The connections to the API server.

use crate::control_plane::ControlPlane;
use crate::fake_portal::Config;
use crate::fixture::{Team, binary, own_control_plane_with};
use crate::leader_election::{elected, is_leader, until_leads};
use crate::operator_process::{self, Operator};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a client that offers HTTP/2 sends in its first message.
const OFFERS_HTTP2: &[u8] = b"\x02h2";

/// Forwards each connection to the API server.
#[derive(Clone)]
struct Relay {
    server: String,
    /// Connections that offer HTTP/2, and others.
    opened: Arc<[AtomicUsize; 2]>,
    /// Increases when all connections with HTTP/2 become silent.
    silenced: watch::Sender<usize>,
}

impl Relay {
    /// Starts it. Returns it with a kubeconfig that connects through it.
    async fn start(control_plane: &ControlPlane) -> (Self, PathBuf) {
        let server = format!("127.0.0.1:{}", control_plane.port());
        let relay = Self { server, opened: Arc::default(), silenced: watch::Sender::new(0) };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        let forwarding = relay.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let relay = forwarding.clone();
                tokio::spawn(async move { relay.forward(client).await });
            }
        });
        let path = operator_process::kubeconfig(control_plane).await.expect("kubeconfig");
        let text = std::fs::read_to_string(&path).expect("read");
        let mut kubeconfig: Value = serde_json::from_str(&text).expect("a kubeconfig in JSON");
        kubeconfig["clusters"][0]["cluster"]["server"] = format!("https://{address}").into();
        let path = control_plane.folder().join("relay.kubeconfig");
        std::fs::write(&path, kubeconfig.to_string()).expect("written");
        (relay, path)
    }

    async fn forward(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut silenced = self.silenced.subscribe();
        let mut hello = vec![0; 4096];
        let length = client.read(&mut hello).await?;
        let offers_http2 = hello.windows(OFFERS_HTTP2.len()).any(|part| part == OFFERS_HTTP2);
        self.opened[usize::from(!offers_http2)].fetch_add(1, Ordering::SeqCst);
        let mut server = TcpStream::connect(&self.server).await?;
        server.write_all(&hello[..length]).await?;
        tokio::select! {
            copied = copy_bidirectional(&mut client, &mut server) => copied.map(drop),
            // Both sides remain open, and no byte arrives any more.
            _ = silenced.changed(), if offers_http2 => std::future::pending().await,
        }
    }

    /// How many connections were opened: with HTTP/2 and without.
    fn opened(&self) -> (usize, usize) {
        let [with, without] = &*self.opened;
        (with.load(Ordering::SeqCst), without.load(Ordering::SeqCst))
    }

    /// Nothing is forwarded any more on the present connections with HTTP/2.
    fn silence(&self) {
        self.silenced.send_modify(|count| *count += 1);
    }
}

#[tokio::test]
async fn requests_share_a_connection_which_is_replaced_when_it_is_silent() {
    let (control_plane, other) = own_control_plane_with(operator_process::Options::default()).await;
    other.terminate().await;
    let (relay, kubeconfig) = Relay::start(control_plane).await;
    let operator = Operator::start(binary(), &kubeconfig, &elected()).await.expect("starts");
    until_leads(&operator).await;
    let team = Team::on(control_plane, "connections", Config::default(), json!({})).await;
    team.token("first", "the caches are filled").await;
    team.until_synced("first").await;

    let at_rest = relay.opened();
    let names: Vec<String> = (0..30).map(|index| format!("burst-{index}")).collect();
    for name in &names {
        team.token(name, "one of many").await;
    }
    for name in &names {
        team.until_synced(name).await;
    }
    assert_eq!(relay.opened(), at_rest, "a burst opens no further connection");

    relay.silence();
    let begun = Instant::now();
    team.token("last", "after the connection became silent").await;
    team.until_synced("last").await;
    let took = begun.elapsed();
    println!("connections {at_rest:?}, then {:?}; a token {took:?} after the connection became silent", relay.opened());
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(relay.opened().0 > at_rest.0, "another connection was opened");
    assert_eq!(relay.opened().1, at_rest.1, "the watches are not affected");
    assert!(is_leader(&operator).await && !operator.log().contains("not the leader any more"), "{}", operator.log());
}
