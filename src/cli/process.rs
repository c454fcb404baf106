//! The process of a command: its identity and its end.

use super::error::CliError;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::signal::unix::{SignalKind, signal};

/// Distinguishes a restarted process, also in the same Pod, from its predecessor, whose requests may still be in
/// flight.
pub(crate) fn random_suffix() -> Result<String, CliError> {
    let mut bytes = [0_u8; 5];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "system RNG unavailable")?;
    Ok(format!("{:010x}", bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))))
}

/// Completes on SIGTERM or SIGINT. After this call these signals no longer kill the process, and none is ignored when
/// it is the first process of a container.
pub(crate) fn shutdown_signal() -> Result<impl Future<Output = ()> + Send + 'static, CliError> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
