//! The operator's binary.

use clap::Parser;
use registry_token_operator::{cli::Cli, run};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match run::main(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("registry-token-operator: {error}");
            ExitCode::FAILURE
        }
    }
}
