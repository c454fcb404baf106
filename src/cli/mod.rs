//! The command line: arguments, and one module for each command.

pub mod args;
mod cluster;
pub mod credentials;
pub mod discover_args;
pub mod drain;
pub mod error;
mod generate;
pub mod issuer;
pub mod issuer_policy_args;
pub mod leader_election_args;
mod process;
pub mod report;
mod run;
pub mod scope_args;

use self::args::{Cli, Command};
use self::error::CliError;
use self::issuer::{check, discover};

/// Runs the given subcommand.
///
/// # Errors
/// An error to print to standard error.
pub async fn main(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Command::Generate { folder } => generate::run(&folder),
        // Boxed, as for `drain`: both contain the controllers.
        Command::Run(run) => Box::pin(run::run(run)).await,
        Command::Discover(arguments) => discover::run(&arguments).await,
        Command::Check(arguments) => check::run(&arguments).await,
        Command::Drain(arguments) => Box::pin(drain::run(&arguments)).await,
    }
}
