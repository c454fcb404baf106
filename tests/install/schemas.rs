//! The JSON schemas of the kinds, with kubeconform.

use crate::tools::{repository, run};

async fn kubeconform(file: &str) -> (bool, String) {
    let schemas = repository("deploy/schemas/{{ .ResourceKind }}_{{ .ResourceAPIVersion }}.json").display().to_string();
    run("kubeconform", &["-strict", "-summary", "-ignore-missing-schemas", "-schema-location", &schemas, file]).await
}

#[tokio::test]
async fn the_examples_are_valid() {
    let mut valid = 0;
    for entry in std::fs::read_dir(repository("examples")).expect("listed") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let (done, text) = kubeconform(&path.display().to_string()).await;
            assert!(done && text.contains("Invalid: 0, Errors: 0"), "{}: {text}", path.display());
            valid += text
                .split("Valid: ")
                .nth(1)
                .and_then(|rest| rest.split(',').next()?.parse::<u32>().ok())
                .expect("a count");
        }
    }
    assert!(valid >= 10, "{valid}");
}

#[tokio::test]
async fn a_wrong_field_and_a_wrong_value_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token.yaml");
    let example = std::fs::read_to_string(repository("examples/rotation.yaml")).expect("readable");
    let changes = [
        ("overlap: 24h", "overlaps: 24h", "overlaps"),
        ("interval: 720h", "interval: 30d", "interval"),
        ("description: prod-eu, team-a", "describe: prod-eu", "description"),
        ("upstreamRevocationPolicy: Hold", "upstreamRevocationPolicy: Keep", "upstreamRevocationPolicy"),
    ];
    for (from, to, named) in changes {
        assert!(example.contains(from), "{from}");
        std::fs::write(&path, example.replace(from, to)).expect("written");
        let (done, text) = kubeconform(&path.display().to_string()).await;
        assert!(!done && text.contains(named), "{to}: {text}");
    }
}
