//! The committed generated files match what the code generates.

use crate::fixture::binary;
use std::path::Path;
use std::process::Command;

#[test]
fn the_committed_crds_are_what_make_generate_writes() {
    let fresh = tempfile::tempdir().expect("a folder");
    let status = Command::new(binary()).arg("generate").arg(fresh.path()).status().expect("runs");
    assert!(status.success());
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let mut compared = 0;
    for file in std::fs::read_dir(fresh.path()).expect("listed") {
        let file = file.expect("a file");
        let text = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let name = file.file_name();
        assert_eq!(text(&file.path()), text(&committed.join(&name)), "{name:?} drifted: run `make generate`");
        compared += 1;
    }
    assert_eq!(compared, 3);
}
