//! The command line.

use crate::telemetry::LogFormat;
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Keeps container-registry tokens of a vendor's portal as Kubernetes pull secrets.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator.
    Run(Run),
    /// Write the CRDs into a folder.
    Generate {
        /// The folder.
        folder: PathBuf,
    },
}

/// How to run.
#[derive(Debug, Args)]
pub struct Run {
    /// Namespace in which the cluster issuers' Secrets lie.
    #[arg(long, env = "POD_NAMESPACE", default_value = "registry-token-operator")]
    pub namespace: String,

    /// Name of this process in reservations; a random one unless given. No two processes that
    /// run at once may share it.
    #[arg(long, env = "POD_NAME")]
    pub holder: Option<String>,

    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: LogFormat,

    /// Where `/livez` and `/readyz` are served.
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
}
