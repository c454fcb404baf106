//! The operator's binary.

use clap::Parser;
use registry_token_operator::{cli::Cli, run};
use std::process::ExitCode;

/// It gives back what a burst of passes took; what glibc keeps of ten thousand is twice their caches.
#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[global_allocator]
static MEMORY: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

// A build for pages of 4 KiB aborts on a machine with larger ones, so none is made by oversight.
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "aarch64"))]
const _: () = assert!(
    option_env!("AARCH64_UNKNOWN_LINUX_GNU_JEMALLOC_SYS_WITH_LG_PAGE").is_some()
        || option_env!("JEMALLOC_SYS_WITH_LG_PAGE").is_some(),
    "set JEMALLOC_SYS_WITH_LG_PAGE=16, or build inside the repository, whose .cargo/config.toml does"
);

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
