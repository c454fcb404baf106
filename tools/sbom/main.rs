//! Prints the SBOM of the operator's binary as SPDX 2.3 in JSON: the crates that are compiled into it, on each architecture that is
//! released. `make release` runs it. `SOURCE_DATE_EPOCH` sets the time of creation, so that two runs print the same.

mod crates;
mod document;

use std::path::Path;

type Error = Box<dyn std::error::Error>;

const TARGETS: &[&str] = &["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

fn main() -> Result<(), Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let graph = crates::read(root, TARGETS)?;
    let created = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(seconds) => jiff::Timestamp::from_second(seconds.parse()?)?,
        Err(_) => jiff::Timestamp::now(),
    };
    let document = document::spdx(&graph, created)?;
    println!("{}", serde_json::to_string_pretty(&document)?);
    Ok(())
}
