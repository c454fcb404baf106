//! The command line.

use super::credentials::CredentialArgs;
use super::discover_args::DiscoverArgs;
use super::issuer_policy_args::IssuerPolicyArgs;
use super::leader_election_args::LeaderElectionArgs;
use super::scope_args::{DEFAULT_NAMESPACE, ScopeArgs};
use crate::api::{NamespaceName, ObjectName, ShortDuration};
use crate::metrics::MAX_OBJECTS;
use crate::profiling::address::LoopbackAddress;
use crate::telemetry::LogFormat;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Manages container registry tokens from a vendor portal as Kubernetes pull secrets.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// The subcommand to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator.
    Run(RunArgs),
    /// Read a portal, explain what was found, and print an issuer manifest. Changes nothing.
    Discover(Box<DiscoverArgs>),
    /// Check an issuer manifest against its portal, and say what the login may do. Changes nothing; exits with status 1 and
    /// names each field to change.
    Check(CheckArgs),
    /// Delete all registry tokens and issuers, wait until their tokens are revoked or released, and list what remains.
    /// Exits with status 1 if anything remains.
    Drain(DrainArgs),
    /// Write the CRD manifests to a folder.
    Generate {
        /// Output folder.
        folder: PathBuf,
    },
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Namespace of the Secrets that cluster issuers refer to.
    #[arg(long, env = "POD_NAMESPACE", default_value = DEFAULT_NAMESPACE)]
    pub namespace: NamespaceName,

    /// Which namespaces are watched.
    #[command(flatten)]
    pub scope: ScopeArgs,

    /// Unique identity of this instance, recorded in reservations [default: random]. Two processes must not share it
    /// while both run.
    #[arg(long, env = "POD_NAME")]
    pub identity: Option<String>,

    /// Secret in that namespace with the MAC key, which proves that the operator recorded a token; created if absent.
    /// All replicas share it.
    #[arg(long, env = "MAC_KEY_SECRET", default_value = "registry-token-operator-mac")]
    pub mac_key_secret: ObjectName,

    /// Format of log lines.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: LogFormat,

    /// Address of `/livez`, `/readyz` and `/metrics`. The default listens on IPv6 and IPv4, or on IPv4 only if the node
    /// has no IPv6.
    #[arg(long, env = "LISTEN", default_value = "[::]:8080")]
    pub listen: SocketAddr,

    /// Serve metrics of each `RegistryToken`, of at most this many; 0 serves none. Without a number: 1000
    #[arg(
        long,
        env = "METRICS_PER_OBJECT",
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = 0,
        default_missing_value = "1000",
        value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_OBJECTS))
    )]
    pub metrics_per_object: u32,

    /// Serve the heap profile at `/debug/pprof/heap` on this loopback address, such as 127.0.0.1:6060. jemalloc has to be
    /// started with its profiler: set `_RJEM_MALLOC_CONF=prof:true` in the environment [default: off]
    #[arg(long, env = "PPROF_BIND_ADDRESS", value_name = "ADDRESS")]
    pub pprof_bind_address: Option<LoopbackAddress>,

    /// Leader election.
    #[command(flatten)]
    pub leader_election: LeaderElectionArgs,

    /// Issuer policy.
    #[command(flatten)]
    pub issuer_policy: IssuerPolicyArgs,
}

/// Arguments of `drain`.
#[derive(Debug, Args)]
pub struct DrainArgs {
    /// List the objects that need the operator, and change nothing. Exits with status 1 if there are any.
    #[arg(long, conflicts_with_all = ["policy", "run_controllers"])]
    pub check_only: bool,

    /// What to do with the tokens, instead of `spec.deletionPolicy` [default: the policy of each object].
    #[arg(long, value_enum)]
    pub policy: Option<DrainPolicy>,

    /// How long to wait, such as 90s or 10m.
    #[arg(long, default_value = "10m")]
    pub timeout: ShortDuration,

    /// The operator's namespace, which contains the Secrets of cluster issuers.
    #[arg(long, env = "POD_NAMESPACE", default_value = DEFAULT_NAMESPACE)]
    pub namespace: NamespaceName,

    /// Which namespaces are drained, as for `run`.
    #[command(flatten)]
    pub scope: ScopeArgs,

    /// Secret in that namespace with the MAC key, as for `run`.
    #[arg(long, env = "MAC_KEY_SECRET", default_value = "registry-token-operator-mac")]
    pub mac_key_secret: ObjectName,

    /// Context of the kubeconfig [default: the current context, or the Pod's `ServiceAccount`].
    #[arg(long)]
    pub context: Option<String>,

    /// Run the controllers in this process even if the operator's Deployment is available.
    #[arg(long)]
    pub run_controllers: bool,

    /// Issuer policy of the controllers in this process, as for `run`.
    #[command(flatten)]
    pub issuer_policy: IssuerPolicyArgs,
}

/// What `drain` does with tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DrainPolicy {
    /// Revoke them in the portal.
    Revoke,
    /// Keep them valid, and leave the pull secrets to their users.
    Orphan,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Manifest with the issuer; `-` reads standard input.
    #[arg(short, long)]
    pub file: PathBuf,

    /// Portal credentials; by default those in the Secret that the issuer names, read from the kubeconfig's cluster.
    #[command(flatten)]
    pub credentials: CredentialArgs,

    /// Namespace of a cluster issuer's Secret.
    #[arg(long, default_value = DEFAULT_NAMESPACE)]
    pub namespace: NamespaceName,

    /// Context of the kubeconfig [default: the current context].
    #[arg(long)]
    pub context: Option<String>,
}
