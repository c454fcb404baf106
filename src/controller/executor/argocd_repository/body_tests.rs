use super::*;
use crate::api::{ArgoCDRepository, ArgoCDRepositoryType};
use crate::domain::model::dockerconfig;
use k8s_openapi::ByteString;

fn object() -> RegistryToken {
    let object = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken",
        "metadata": {"name": "pull", "namespace": "argocd", "uid": "o"}, "spec": {"description": "d"},
    });
    serde_json::from_value(object).expect("an object")
}

fn desired() -> Desired {
    let url = "r.example/charts".to_owned();
    let spec = ArgoCDRepository { name: None, url, kind: ArgoCDRepositoryType::Repository, project: None };
    Desired::new(&spec, "pull", "pull")
}

fn login(password: &str) -> DockerLogin {
    let content = dockerconfig::encode(&["r.example".to_owned()], "tw-17", password).expect("written");
    dockerconfig::parse_login(&content).expect("a login")
}

/// The Secret as the API server stores it.
fn stored(body: Value) -> ReadSecret {
    let mut secret: Secret = serde_json::from_value(body).expect("a Secret");
    secret.metadata.uid = Some("s".to_owned());
    secret.metadata.resource_version = Some("7".to_owned());
    ReadSecret(secret)
}

fn created(secret: ArgoCDSecret<'_>) -> ReadSecret {
    stored(secret.new_secret(&login("password")))
}

#[test]
fn a_secret_that_was_created_is_as_wanted_and_any_change_is_not() {
    let (object, desired) = (object(), desired());
    let secret = ArgoCDSecret { object: &object, desired: &desired };
    assert!(secret.matches(&created(secret), &login("password")));
    assert!(!secret.matches(&created(secret), &login("next")));
    let changes: [fn(&mut Secret); 6] = [
        |found| drop(found.data.as_mut().expect("data").remove("url")),
        |found| drop(found.data.as_mut().expect("data").insert("proxy".to_owned(), ByteString(b"p".to_vec()))),
        |found| drop(found.metadata.labels.as_mut().expect("labels").remove(ARGOCD_LABEL)),
        |found| drop(found.metadata.labels.as_mut().expect("labels").insert(OWNER_LABEL.to_owned(), "x".to_owned())),
        |found| found.metadata.labels = None,
        |found| found.metadata.owner_references = None,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut found = created(secret);
        change(&mut found.0);
        assert!(!secret.matches(&found, &login("password")), "{number}");
    }
}

#[test]
fn a_patch_is_guarded_removes_foreign_keys_and_keeps_foreign_labels_and_owners() {
    let (object, desired) = (object(), desired());
    let secret = ArgoCDSecret { object: &object, desired: &desired };
    let mut found = created(secret);
    found.0.data.as_mut().expect("data").insert("sshPrivateKey".to_owned(), ByteString(b"k".to_vec()));
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "c"});
    found.0.metadata.owner_references.as_mut().expect("owners").push(serde_json::from_value(other).expect("an owner"));
    let patch = secret.patch(&found, &login("next"));
    assert_eq!((&patch["metadata"]["uid"], &patch["metadata"]["resourceVersion"]), (&json!("s"), &json!("7")));
    assert_eq!(patch["data"]["sshPrivateKey"], Value::Null);
    assert!(patch["data"].as_object().expect("data").contains_key("sshPrivateKey"));
    assert_eq!(patch["data"]["password"], json!(STANDARD.encode("next")));
    let uids = |patch: &Value| -> Vec<String> {
        let owners = patch["metadata"]["ownerReferences"].as_array().expect("owners").iter();
        owners.map(|owner| owner["uid"].as_str().expect("a UID").to_owned()).collect()
    };
    assert_eq!(uids(&patch), ["c", "o"]);
    let release = release(&object, &found.0.metadata);
    assert_eq!(uids(&release), ["c"]);
    assert_eq!(release["metadata"]["labels"], json!({(OWNER_LABEL): null, (ROLE_LABEL): null}));
    assert!(release.get("data").is_none());
}
