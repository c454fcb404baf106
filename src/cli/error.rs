//! The error of a command.

/// An error that ends the process; its text says what to do.
pub type CliError = Box<dyn std::error::Error + Send + Sync>;
