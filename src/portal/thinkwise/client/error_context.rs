//! What the error of a call depends on besides the response.

/// The subject of a call, for its error message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorContext<'a> {
    /// `task`, `table` or `document`.
    pub kind: &'static str,
    pub name: &'a str,
    /// The application that it belongs to.
    pub application: &'a str,
    pub credentials_source: &'a str,
}

/// The step of a task that a call is: it decides what "not found" means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TaskStep {
    /// A read, or a task in one request.
    #[default]
    Single,
    /// Sets the parameters of a staged task. Nothing has run yet.
    Fill,
    /// Commits a staged task.
    Commit,
}
