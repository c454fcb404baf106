//! What the requests of one task have in common.

use crate::portal::thinkwise::client::cookies::CookieJar;
use crate::portal::thinkwise::discovery::interface::TaskCall;
use crate::portal::thinkwise::interface_cache::CachedInterface;
use tokio::time::Instant;

/// One run of a task, from its first request to the last one of its process flow.
pub(crate) struct TaskSession<'a> {
    pub cached: &'a CachedInterface,
    pub task: &'a TaskCall,
    pub cookies: CookieJar,
    /// The deadline of all its requests together.
    pub deadline: Instant,
}

impl<'a> TaskSession<'a> {
    pub(crate) fn new(cached: &'a CachedInterface, task: &'a TaskCall, deadline: Instant) -> Self {
        Self { cached, task, cookies: CookieJar::default(), deadline }
    }
}
