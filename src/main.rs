//! The operator's binary.

use clap::Parser;
use registry_token_operator::cli;
use registry_token_operator::cli::args::Cli;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Builder;

/// It returns the memory of a burst of passes; glibc keeps twice the size of the caches after ten thousand passes.
#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

// A build for pages of 4 KiB aborts on a machine with larger ones, so this check prevents one.
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "aarch64"))]
const _: () = assert!(
    option_env!("AARCH64_UNKNOWN_LINUX_GNU_JEMALLOC_SYS_WITH_LG_PAGE").is_some()
        || option_env!("JEMALLOC_SYS_WITH_LG_PAGE").is_some(),
    "set JEMALLOC_SYS_WITH_LG_PAGE=16, or build inside the repository, whose .cargo/config.toml does"
);

/// How long to wait on exit for work on other threads, such as a name resolution.
const RUNTIME_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let result = runtime.block_on(cli::main(cli));
            runtime.shutdown_timeout(RUNTIME_SHUTDOWN_TIMEOUT);
            result
        }
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("registry-token-operator: {error}");
            ExitCode::FAILURE
        }
    }
}
