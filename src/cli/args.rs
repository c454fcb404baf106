//! The command line.

use super::credentials::CredentialArgs;
use super::issuer_policy_args::IssuerPolicyArgs;
use crate::api::{NamespaceName, ObjectName, ShortDuration};
use crate::telemetry::LogFormat;
use clap::{Args, Parser, Subcommand, ValueEnum};
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
    Run(RunArgs),
    /// Look at a portal, find the table and tasks of its tokens, and print an issuer for it. Changes nothing.
    Discover(Box<DiscoverArgs>),
    /// Check an issuer against its portal. Changes nothing; ends with 1 if something does not fit.
    Check(CheckArgs),
    /// Delete all registry tokens and issuers, wait until their tokens are revoked or released, and say what is left.
    /// Exits with status 1 if anything is.
    Drain(DrainArgs),
    /// Write the CRDs into a folder.
    Generate {
        /// The folder.
        folder: PathBuf,
    },
}

/// How to run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Namespace in which the cluster issuers' Secrets lie.
    #[arg(long, env = "POD_NAMESPACE", default_value = DEFAULT_NAMESPACE)]
    pub namespace: NamespaceName,

    /// Identity of this process in reservations; random unless set. No two processes that
    /// run at once may share it.
    #[arg(long, env = "POD_NAME")]
    pub identity: Option<String>,

    /// Secret in that namespace with the key that proves which tokens are the operator's own; created if absent. All
    /// replicas share it.
    #[arg(long, env = "MAC_KEY_SECRET", default_value = "registry-token-operator-mac")]
    pub mac_key_secret: ObjectName,

    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: LogFormat,

    /// Where `/livez`, `/readyz` and `/metrics` are served; by default on IPv6 and IPv4, or on IPv4 alone where
    /// there is no IPv6.
    #[arg(long, env = "LISTEN", default_value = "[::]:8080")]
    pub listen: SocketAddr,

    /// What issuers may do.
    #[command(flatten)]
    pub issuer_policy: IssuerPolicyArgs,
}

/// Where the operator lives unless told otherwise.
const DEFAULT_NAMESPACE: &str = "registry-token-operator";

/// Which portal to look at, and what is known of it already.
#[derive(Debug, Args)]
pub struct DiscoverArgs {
    /// Indicium's root, such as <https://portal.example.com/indicium>, without /iam.
    #[arg(long)]
    pub url: String,

    /// The application's id or alias, as in `<url>/iam/<application>`.
    #[arg(long, default_value = "tcp")]
    pub application: String,

    /// How to log in.
    #[command(flatten)]
    pub credentials: CredentialArgs,

    /// Where a bearer is had, for client credentials; from the portal's `.well-known` unless given.
    #[arg(long)]
    pub token_url: Option<String>,

    /// Scopes to ask for with client credentials.
    #[arg(long, value_delimiter = ',')]
    pub scopes: Vec<String>,

    /// Lets the URL be http.
    #[arg(long)]
    pub allow_insecure_http: bool,

    /// The table of tokens, where several may be it.
    #[arg(long)]
    pub table: Option<String>,

    /// The task that requests a token, where several may be it.
    #[arg(long)]
    pub request: Option<String>,

    /// The task that edits a description, where several may be it.
    #[arg(long)]
    pub edit_description: Option<String>,

    /// The task that revokes a token, where several may be it.
    #[arg(long)]
    pub revoke: Option<String>,

    /// The value of a key column or parameter that is the same for all of our tokens, such as `klant_id=42`.
    #[arg(long = "value", value_name = "NAME=VALUE")]
    pub values: Vec<String>,

    /// The kind of issuer to print.
    #[arg(long, value_enum, default_value = "cluster-token-issuer")]
    pub kind: IssuerKindArg,

    /// Its name.
    #[arg(long, default_value = "default")]
    pub name: ObjectName,

    /// Namespace of the issuer's Secret, and of a `TokenIssuer` itself.
    #[arg(long, default_value = DEFAULT_NAMESPACE)]
    pub namespace: NamespaceName,

    /// Name of the Secret with the portal's credentials.
    #[arg(long, default_value = "portal")]
    pub secret_name: ObjectName,
}

/// A kind of issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IssuerKindArg {
    /// For the whole cluster.
    ClusterTokenIssuer,
    /// For one namespace.
    TokenIssuer,
}

/// How to remove everything that the operator manages.
#[derive(Debug, Args)]
pub struct DrainArgs {
    /// What happens to the tokens, whatever `spec.deletionPolicy` says [default: as each object says].
    #[arg(long, value_enum)]
    pub policy: Option<DrainPolicy>,

    /// How long to wait, such as 90s or 10m.
    #[arg(long, default_value = "10m")]
    pub timeout: ShortDuration,

    /// The operator's namespace, in which the Secrets of `ClusterTokenIssuers` are.
    #[arg(long, env = "POD_NAMESPACE", default_value = DEFAULT_NAMESPACE)]
    pub namespace: NamespaceName,

    /// Secret in that namespace with the key that proves which tokens are the operator's own, as for `run`.
    #[arg(long, env = "MAC_KEY_SECRET", default_value = "registry-token-operator-mac")]
    pub mac_key_secret: ObjectName,

    /// The kubeconfig's context [default: the current one, or the Pod's `ServiceAccount`].
    #[arg(long)]
    pub context: Option<String>,

    /// Run the controllers in this process even if the operator's Deployment is available.
    #[arg(long)]
    pub run_controllers: bool,

    /// What issuers may do, as for `run`: for controllers in this process.
    #[command(flatten)]
    pub issuer_policy: IssuerPolicyArgs,
}

/// What happens to tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DrainPolicy {
    /// They are revoked in the portal.
    Revoke,
    /// They stay valid, and the pull secrets stay with their users.
    Orphan,
}

/// What to check.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// A manifest with the issuer; `-` reads standard input.
    #[arg(short, long)]
    pub file: PathBuf,

    /// How to log in; from the Secret that the issuer names in the cluster of the kubeconfig unless given.
    #[command(flatten)]
    pub credentials: CredentialArgs,

    /// Namespace in which a cluster issuer's Secret lies.
    #[arg(long, default_value = DEFAULT_NAMESPACE)]
    pub namespace: NamespaceName,

    /// The kubeconfig's context; its current one unless given.
    #[arg(long)]
    pub context: Option<String>,
}
