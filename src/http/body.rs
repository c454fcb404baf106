//! Bodies of answers, bounded in size and time.

use super::memory::Share;
use reqwest::Response;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::{Zeroize as _, Zeroizing};

/// How much of an answer that nobody reads is taken in, and for how long, so that its connection can be used again.
const DRAIN_LIMIT: usize = 64 << 10;
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Why there is no body.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is larger than allowed.
    TooLarge,
    /// It did not end in time.
    Late,
    /// It broke off.
    Broken(reqwest::Error),
}

/// Reads a body, at most so much of it. It is wiped when dropped, for it may hold a secret.
pub(crate) async fn read(response: Response, limit: usize, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    read_large(response, limit, deadline).await.map(|(body, _)| body)
}

/// The same of a body that may be large: keep its share of the common memory as long as the body.
pub(crate) async fn read_large(
    mut response: Response,
    limit: usize,
    deadline: Instant,
) -> Result<(Zeroizing<Vec<u8>>, Share), BodyError> {
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLarge);
    }
    let mut share = Share::default();
    if !share.cover(announced, limit, deadline).await {
        return Err(BodyError::Late);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced));
    loop {
        let chunk = timeout_at(share.deadline(deadline), response.chunk()).await.map_err(|_| BodyError::Late)?;
        let Some(chunk) = chunk.map_err(BodyError::Broken)? else { return Ok((body, share)) };
        let length = body.len() + chunk.len();
        if length > limit {
            return Err(BodyError::TooLarge);
        }
        if !share.cover(length, limit, deadline).await {
            return Err(BodyError::Late);
        }
        append(&mut body, &chunk, limit);
    }
}

/// Grows into a new buffer and wipes the old one, which a plain `extend` would leave in memory.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8], limit: usize) {
    let needed = body.len() + chunk.len();
    if needed > body.capacity() {
        let mut larger = Vec::with_capacity(needed.max((body.capacity() * 2).min(limit)));
        larger.extend_from_slice(body);
        body.zeroize();
        **body = larger;
    }
    body.extend_from_slice(chunk);
}

/// Takes in the rest of an answer, whose outcome is known already, so that the connection can be used again.
pub(crate) async fn drain(mut response: Response) {
    let read = async {
        let mut left = DRAIN_LIMIT;
        while let Ok(Some(chunk)) = response.chunk().await {
            let Some(rest) = left.checked_sub(chunk.len()) else { return };
            left = rest;
        }
    };
    // Late or broken: then the connection is closed, and nothing else is lost.
    let _ = timeout(DRAIN_TIME, read).await;
}
