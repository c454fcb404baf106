//! Where the programs of the node and of the registry are.

use std::path::{Path, PathBuf};

/// A program of the node, built by `tests/support/node/build.sh`.
pub fn tool(name: &str) -> PathBuf {
    let folder =
        std::env::var_os("NODE_TOOLS").expect("NODE_TOOLS names the folder of the node's programs; use make test-node");
    PathBuf::from(folder).join(name)
}

/// A program that is installed.
pub fn program(name: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not installed"))
}
