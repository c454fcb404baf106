//! The fake portal as a program, for the demo and the benchmark.
//!
//! Prints one line of JSON with its addresses when it is ready; exits on SIGTERM or Ctrl-C, and with
//! `--exit-with-parent` when its standard input ends.

#[path = "mod.rs"]
mod fake_portal;

use clap::Parser;
use fake_portal::{Challenge, Config, FakePortal, Login, Names, Ports, Profile};
use serde_json::json;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

/// A fake of the portal and of the registry behind it.
#[derive(Parser)]
#[command(name = "fake-portal")]
#[allow(clippy::struct_excessive_bools, reason = "flags of a command line")]
struct Arguments {
    /// Port of the portal; 0 is any free one.
    #[arg(long, default_value_t = 0)]
    portal_port: u16,
    /// Port of the registry; 0 is any free one.
    #[arg(long, default_value_t = 0)]
    registry_port: u16,
    /// Port of the control interface; 0 is any free one.
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// How long a task takes: 50ms, 2s.
    #[arg(long, default_value = "0ms", value_parser = duration)]
    latency: Duration,
    /// Folder to write the CA's certificate to, as `ca.crt`.
    #[arg(long)]
    tls_dir: Option<PathBuf>,
    /// Use plain HTTP.
    #[arg(long)]
    no_tls: bool,
    /// Offer HTTP/2.
    #[arg(long)]
    http2: bool,
    /// The host in all returned addresses.
    #[arg(long, default_value = "localhost")]
    host: String,
    /// An additional name or address in the server's certificate. May be repeated.
    #[arg(long = "name")]
    names: Vec<String>,
    /// The application.
    #[arg(long, default_value = "tcp")]
    application: String,
    /// `user:password` for HTTP Basic. May be repeated.
    #[arg(long, value_parser = login)]
    basic: Vec<Login>,
    /// `id:secret` for client credentials. May be repeated.
    #[arg(long, value_parser = login)]
    client: Vec<Login>,
    /// Dutch names of table, tasks and parameters.
    #[arg(long, conflicts_with = "profile")]
    dutch: bool,
    /// Behave like this profile, such as `staged`; a wrong name lists the available ones.
    #[arg(long)]
    profile: Option<String>,
    /// The registry requires Basic credentials instead of a bearer token.
    #[arg(long)]
    registry_basic: bool,
    /// Any part of the configuration, as JSON; overrides the other arguments.
    #[arg(long)]
    config: Option<String>,
    /// Exit when standard input ends.
    #[arg(long)]
    exit_with_parent: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let portal = FakePortal::start(config(&arguments)?).await;
    if let Some(folder) = &arguments.tls_dir {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("ca.crt"), portal.ca_pem())?;
    }
    let config = portal.config();
    println!(
        "{}",
        json!({
            "portal": portal.portal_url(),
            "application": config.application,
            "registry": portal.registry_host(),
            "control": portal.control_url(),
            "pid": std::process::id(),
        })
    );
    until_shutdown(arguments.exit_with_parent).await
}

/// The configuration that the arguments override.
fn base(arguments: &Arguments) -> io::Result<Config> {
    if let Some(name) = &arguments.profile {
        let profile = Profile::named(name).ok_or_else(|| {
            let known: Vec<&str> = Profile::all().iter().map(|profile| profile.name).collect();
            io::Error::other(format!("no profile is named {name}; available: {}", known.join(", ")))
        })?;
        return Ok(profile.config());
    }
    let names = if arguments.dutch { Names::dutch() } else { Names::default() };
    Ok(Config { names, ..Config::default() })
}

fn config(arguments: &Arguments) -> io::Result<Config> {
    let default = base(arguments)?;
    let or = |given: &Vec<Login>, default| if given.is_empty() { default } else { given.clone() };
    let config = Config {
        tls: !arguments.no_tls,
        http2: arguments.http2,
        ports: Ports {
            portal: arguments.portal_port,
            registry: arguments.registry_port,
            control: Some(arguments.control_port),
        },
        host: arguments.host.clone(),
        extra_names: arguments.names.clone(),
        application: arguments.application.clone(),
        basic: or(&arguments.basic, default.basic),
        clients: or(&arguments.client, default.clients),
        latency: arguments.latency,
        registry_challenge: if arguments.registry_basic { Challenge::Basic } else { Challenge::Bearer },
        ..default
    };
    match &arguments.config {
        None => Ok(config),
        Some(text) => Ok(config.overlaid(serde_json::from_str(text)?)?),
    }
}

/// Waits until the program has to exit.
async fn until_shutdown(with_parent: bool) -> io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminated.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
        () = parent_gone(), if with_parent => {}
    }
    // A pending read of standard input would keep the runtime from ending.
    std::process::exit(0);
}

async fn parent_gone() {
    let mut byte = [0];
    let mut input = tokio::io::stdin();
    while input.read(&mut byte).await.is_ok_and(|count| count > 0) {}
}

fn login(text: &str) -> Result<Login, String> {
    text.split_once(':').map(|(name, secret)| Login::new(name, secret)).ok_or_else(|| "name:secret".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(text.len()));
    let number = number.parse().map_err(|_| "such as 50ms or 2s".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err("such as 50ms or 2s".to_owned()),
    }
}
