//! The operator's binary.

use clap::Parser;
use registry_token_operator::{cli::Cli, run};
use std::process::ExitCode;

/// It gives back what a burst of passes took; what glibc keeps of ten thousand is twice their caches.
#[global_allocator]
static MEMORY: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
