//! The heap profile, which jemalloc records.

use std::path::PathBuf;

/// Why there is no heap profile; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum HeapProfileError {
    /// The system's allocator is used.
    #[error(
        "this build has no heap profile, because its allocator is not jemalloc: remove --pprof-bind-address \
         (PPROF_BIND_ADDRESS)"
    )]
    NoJemalloc,
    /// jemalloc reads its settings once, when the process starts.
    #[error(
        "jemalloc was started without its profiler, so there is no heap profile: set the environment variable \
         _RJEM_MALLOC_CONF=prof:true, or remove --pprof-bind-address (PPROF_BIND_ADDRESS)"
    )]
    NotStarted,
    /// The profile could not be written.
    #[error(
        "cannot write a heap profile to the folder {}: {reason}: make the folder writable, or name another one with \
         the environment variable TMPDIR",
        folder.display()
    )]
    NotWritten {
        /// The folder for temporary files.
        folder: PathBuf,
        /// The error.
        reason: String,
    },
}

pub(crate) use allocator::HeapProfiler;

// The same condition as for the allocator in src/main.rs.
#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod allocator {
    use super::HeapProfileError;
    use jemalloc_pprof::{JemallocProfCtl, PROF_CTL};
    use std::sync::Arc;
    use tokio::sync::Mutex;

    /// Writes heap profiles.
    #[derive(Clone)]
    pub(crate) struct HeapProfiler(Arc<Mutex<JemallocProfCtl>>);

    impl HeapProfiler {
        /// Writes a first profile, so that a folder that is not writable is found before the profile is needed.
        pub(crate) async fn start() -> Result<Self, HeapProfileError> {
            let profiler = Self(PROF_CTL.clone().ok_or(HeapProfileError::NotStarted)?);
            // It is off if `prof_active:false` is set.
            jemalloc_pprof::activate_jemalloc_profiling().await;
            profiler.0.lock().await.dump().map_err(|error| not_written(&error))?;
            Ok(profiler)
        }

        /// The profile, as a gzipped protobuf message for pprof. Blocks.
        pub(crate) fn dump(&self) -> Result<Vec<u8>, HeapProfileError> {
            self.0.blocking_lock().dump_pprof().map_err(|error| not_written(&error))
        }
    }

    fn not_written(error: &impl ToString) -> HeapProfileError {
        HeapProfileError::NotWritten { folder: std::env::temp_dir(), reason: error.to_string() }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod allocator {
    use super::HeapProfileError;

    /// There is none.
    #[derive(Clone)]
    pub(crate) enum HeapProfiler {}

    impl HeapProfiler {
        #[allow(clippy::unused_async, reason = "the profiler of jemalloc is started asynchronously")]
        pub(crate) async fn start() -> Result<Self, HeapProfileError> {
            Err(HeapProfileError::NoJemalloc)
        }

        pub(crate) fn dump(&self) -> Result<Vec<u8>, HeapProfileError> {
            match *self {}
        }
    }
}
