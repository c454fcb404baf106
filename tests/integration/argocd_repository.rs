//! `spec.secret.argocdRepository`: a second Secret, which Argo CD reads, has the login of the pull secret whatever else
//! happens to it.

use crate::control_plane::eventually;
use crate::fixture::{LIMIT, Team, condition, merge, ready, token, until_gone};
use crate::helpers::{current, current_id};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

pub const CONDITION: &str = "ArgoCDRepositorySynced";
pub const NAME: &str = "pull-argocd";

impl Team {
    /// The address of charts in the registry of the team's issuer.
    pub fn charts(&self) -> String {
        format!("{}/charts", self.portal.registry_host())
    }

    /// Applies a token with a Secret for Argo CD.
    pub async fn argocd_token(&self, name: &str, repository: Value) {
        let mut wanted = json!({"url": self.charts()});
        merge(&mut wanted, repository);
        let mut object = token(name, "charts for Argo CD");
        object["spec"]["secret"] = json!({"argocdRepository": wanted});
        self.apply(object).await;
    }

    /// Waits until the Secret for Argo CD has the login of the pull secret, and the status says so.
    pub async fn until_argocd_synced(&self, token: &str, name: &str) -> Secret {
        eventually(&format!("{name} to have the login of {token}"), LIMIT, async || {
            let object = self.tokens().get(token).await.map_err(|error| error.to_string())?;
            let secret = self.secrets().get(name).await.map_err(|error| error.to_string())?;
            let (username, password) = self.login(token).await;
            let data = texts(&secret);
            let is_same = data.get("username") == Some(&username) && data.get("password") == Some(&password);
            let status = object.status.as_ref().ok_or("no status")?;
            let record = status.argocd_repository.as_ref();
            let is_recorded = record.is_some_and(|record| record.resource_version == secret.resource_version());
            let uid = object.uid().unwrap_or_default();
            let is_labeled = secret.labels().get("registry-token.dev/owner") == Some(&uid);
            let is_owned = secret.owner_references().iter().any(|owner| owner.uid == uid);
            let problem = condition(&object, CONDITION);
            if is_same && is_recorded && is_labeled && is_owned && problem.is_none() {
                return Ok(secret);
            }
            Err(format!("{:?} {record:?} {problem:?} {}", secret.metadata, data.contains_key("password")))
        })
        .await
    }

    /// Username and password in the pull secret.
    async fn login(&self, token: &str) -> (String, String) {
        let content: Value = serde_json::from_slice(&self.dockerconfigjson(token).await).expect("JSON");
        let login = content["auths"].as_object().and_then(|all| all.values().next()).cloned().unwrap_or_default();
        let text = |key: &str| login[key].as_str().unwrap_or_default().to_owned();
        (text("username"), text("password"))
    }

    pub async fn create_secret(&self, secret: Value) -> Secret {
        let secret = serde_json::from_value(secret).expect("a Secret");
        self.secrets().create(&PostParams::default(), &secret).await.expect("created")
    }

    pub async fn delete_secret(&self, name: &str) {
        self.secrets().delete(name, &DeleteParams::default()).await.expect("deleted");
    }

    /// A policy that rejects writes of the Secret for Argo CD. Returns how to remove it.
    async fn forbid_argocd_secret(&self) -> [Value; 2] {
        let name = format!("no-argocd-{}", self.namespace);
        let group = "admissionregistration.k8s.io/v1";
        let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]});
        let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": self.namespace}});
        let manifests = [
            json!({
                "apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
                "spec": {"policyName": name, "validationActions": ["Deny"]},
            }),
            json!({
                "apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
                "spec": {
                    "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
                    "validations": [{"expression": format!("object.metadata.name != '{NAME}'"), "message": "not here"}],
                },
            }),
        ];
        for manifest in &manifests {
            self.control_plane.apply(&manifest.to_string()).await.expect("applied");
        }
        let probe = json!({"metadata": {"name": NAME}, "stringData": {"a": "b"}});
        let probe: Secret = serde_json::from_value(probe).expect("a Secret");
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        eventually("the policy to be in force", LIMIT, async || match self.secrets().create(&dry, &probe).await {
            Err(kube::Error::Api(status)) if status.code == 422 => Ok(()),
            other => Err(format!("{:?}", other.map(|_| "admitted"))),
        })
        .await;
        manifests
    }
}

/// The data of a Secret as text.
fn texts(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.iter().flatten();
    data.map(|(key, value)| (key.clone(), String::from_utf8(value.0.clone()).expect("UTF-8"))).collect()
}

#[tokio::test]
async fn the_secret_has_the_form_that_argocd_reads_and_nothing_is_written_at_rest() {
    let team = Team::new("argocd").await;
    team.argocd_token("pull", json!({"project": "web"})).await;
    let object = team.until_synced("pull").await;
    let secret = team.until_argocd_synced("pull", NAME).await;
    let mut data = texts(&secret);
    let password = data.remove("password").expect("a password");
    assert_eq!(data.remove("username"), Some(current(&object).username));
    let expected = [
        ("enableOCI", "true".to_owned()),
        ("name", "pull".to_owned()),
        ("project", "web".to_owned()),
        ("type", "helm".to_owned()),
        ("url", team.charts()),
    ];
    assert_eq!(data, expected.map(|(key, value)| (key.to_owned(), value)).into());
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    assert_eq!(secret.labels()["argocd.argoproj.io/secret-type"], "repository");
    assert_eq!(secret.labels()["registry-token.dev/role"], "argocd-repository");
    let owner = &secret.owner_references()[0];
    assert_eq!((owner.controller, Some(&owner.uid)), (Some(true), object.uid().as_ref()));

    team.assert_idle_for("pull", Duration::from_secs(4)).await;
    let after = team.secrets().get(NAME).await.expect("there");
    assert_eq!(after.resource_version(), secret.resource_version(), "no further write");
    let object = team.tokens().get("pull").await.expect("there");
    assert!(!json!(object).to_string().contains(&password), "the password is in no status");

    // As a credential template.
    let charts = team.charts();
    team.patch("pull", json!({"spec": {"secret": {"argocdRepository": {"type": "RepoCreds", "project": null}}}})).await;
    eventually("a credential template", LIMIT, async || {
        let secret = team.secrets().get(NAME).await.map_err(|error| error.to_string())?;
        let is_template = secret.labels()["argocd.argoproj.io/secret-type"] == "repo-creds";
        let mut data = texts(&secret);
        data.retain(|key, _| key != "username" && key != "password");
        let wanted = [("enableOCI", "true"), ("type", "helm"), ("url", charts.as_str())];
        let wanted = wanted.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        if is_template && data == wanted { Ok(()) } else { Err(format!("{:?} {data:?}", secret.labels())) }
    })
    .await;
    let after = team.until_argocd_synced("pull", NAME).await;
    assert_eq!(after.uid(), secret.uid(), "changed in place");
    team.until_live_count(1).await;
}

#[tokio::test]
async fn the_secret_follows_each_rotation_before_the_old_token_is_revoked() {
    let team = Team::new("argocd-rotation").await;
    team.argocd_token("pull", json!({})).await;
    let first = team.until_synced("pull").await;
    let before = team.until_argocd_synced("pull", NAME).await;
    team.annotate("pull", "rotate", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    let after = team.until_argocd_synced("pull", NAME).await;
    assert_eq!(texts(&after)["username"], current(&second).username);
    assert_eq!(after.uid(), before.uid(), "updated in place");
    team.until_live(&[current_id(&first), current_id(&second)]).await;

    // A compromised token has no overlap.
    team.annotate("pull", "replace", "1").await;
    let third = team.until_replaced("pull", &current(&second)).await;
    team.until_live(&[current_id(&third)]).await;
    let secret = team.secrets().get(NAME).await.expect("there");
    assert_eq!(texts(&secret)["username"], current(&third).username, "written before the revocation");
    team.until_argocd_synced("pull", NAME).await;
}

#[tokio::test]
async fn a_token_whose_login_the_secret_still_has_is_not_revoked() {
    let team = Team::new("argocd-held").await;
    team.argocd_token("pull", json!({})).await;
    let first = team.until_synced("pull").await;
    let before = team.until_argocd_synced("pull", NAME).await;
    let policy = team.forbid_argocd_secret().await;
    team.annotate("pull", "replace", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    let message = team.until_condition("pull", CONDITION, "False", "SecretRejected").await;
    assert!(message.contains("\"pull-argocd\"") && message.contains("not here"), "{message}");
    team.until_event("pull", "SecretRejected").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    team.until_live(&[current_id(&first), current_id(&second)]).await;
    assert_eq!(ready(&team.until_synced("pull").await).0, "True", "pods can pull with the new token");
    let held = team.secrets().get(NAME).await.expect("there");
    assert_eq!(held.resource_version(), before.resource_version());

    for manifest in &policy {
        let kind = manifest["kind"].as_str().expect("a kind");
        let name = manifest["metadata"]["name"].as_str().expect("a name");
        team.control_plane.kubectl_ok(&["delete", kind, name], None).await.expect("deleted");
    }
    // It is tried again by itself within a minute; a request for a check is faster.
    eventually("the login to be written", LIMIT, async || {
        team.annotate("pull", "reconcile", &crate::helpers::unique_value()).await;
        let secret = team.secrets().get(NAME).await.map_err(|error| error.to_string())?;
        let username = texts(&secret)["username"].clone();
        if username == current(&second).username { Ok(()) } else { Err(username) }
    })
    .await;
    team.until_live(&[current_id(&second)]).await;
    team.until_argocd_synced("pull", NAME).await;
}

#[tokio::test]
async fn what_others_change_is_repaired() {
    let team = Team::new("argocd-repair").await;
    team.argocd_token("pull", json!({})).await;
    let object = team.until_synced("pull").await;
    let first = team.until_argocd_synced("pull", NAME).await;
    for change in [
        json!({"data": {"password": "Zm9yZ2Vk"}}),
        json!({"data": {"username": null}}),
        json!({"data": {"sshPrivateKey": "Zm9yZ2Vk"}}),
        json!({"metadata": {"labels": {"argocd.argoproj.io/secret-type": "cluster"}}}),
        json!({"metadata": {"labels": {"registry-token.dev/role": null}}}),
        json!({"metadata": {"labels": {"registry-token.dev/owner": null}}}),
        json!({"metadata": {"labels": null}}),
        json!({"metadata": {"ownerReferences": null}}),
    ] {
        let before = team.secrets().get(NAME).await.expect("there");
        team.patch_secret(NAME, change.clone()).await;
        eventually(&format!("{change} to be repaired"), LIMIT, async || {
            let secret = team.secrets().get(NAME).await.map_err(|error| error.to_string())?;
            let is_same = secret.data == before.data && secret.owner_references() == before.owner_references();
            let is_labeled = secret.labels() == before.labels();
            if is_same && is_labeled { Ok(()) } else { Err(format!("{:?}", secret.metadata)) }
        })
        .await;
    }
    // Labels and annotations of others stay.
    team.patch_secret(NAME, json!({"metadata": {"labels": {"team": "a"}, "annotations": {"note": "kept"}}})).await;
    let kept = team.until_argocd_synced("pull", NAME).await;
    assert_eq!((kept.labels()["team"].as_str(), kept.annotations()["note"].as_str()), ("a", "kept"));
    assert_eq!(kept.uid(), first.uid());

    team.delete_secret(NAME).await;
    let again = team.until_argocd_synced("pull", NAME).await;
    assert_ne!(again.uid(), first.uid());
    team.until_live(&[current_id(&object)]).await;
    team.assert_idle_for("pull", Duration::from_secs(2)).await;
}

#[tokio::test]
async fn a_secret_of_someone_else_is_left_alone_and_named_and_holds_nothing_up() {
    let team = Team::new("argocd-foreign").await;
    let foreign = json!({
        "metadata": {"name": NAME, "labels": {"argocd.argoproj.io/secret-type": "repository"}},
        "stringData": {"type": "git", "url": "https://git.example.com"},
    });
    let foreign = team.create_secret(foreign).await;
    team.argocd_token("pull", json!({})).await;
    let first = team.until_synced("pull").await;
    let message = team.until_condition("pull", CONDITION, "False", "SecretNotOwned").await;
    assert!(message.contains("\"pull-argocd\" does not belong to this object"), "{message}");
    team.until_event("pull", "SecretNotOwned").await;
    assert_eq!(ready(&first).0, "True");
    team.annotate("pull", "replace", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_live(&[current_id(&second)]).await;
    team.until_synced("pull").await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    let after = team.secrets().get(NAME).await.expect("there");
    assert_eq!((after.resource_version(), after.data.clone()), (foreign.resource_version(), foreign.data.clone()));

    team.patch("pull", json!({"spec": {"secret": null}})).await;
    team.until_object("pull", "no condition", |object| condition(object, CONDITION).is_none()).await;
    team.delete("pull").await;
    assert_eq!(team.secrets().get(NAME).await.expect("it stays").uid(), foreign.uid());
}

#[tokio::test]
async fn of_two_objects_with_one_secret_the_second_says_whose_it_is_until_the_first_is_deleted() {
    let team = Team::new("argocd-two").await;
    team.argocd_token("one", json!({"name": "charts"})).await;
    team.until_synced("one").await;
    let first = team.until_argocd_synced("one", "charts").await;
    team.argocd_token("two", json!({"name": "charts"})).await;
    let message = team.until_condition("two", CONDITION, "False", "SecretNotOwned").await;
    assert!(message.contains("\"charts\" belongs to the RegistryToken \"one\""), "{message}");
    team.until_synced("two").await;
    team.assert_idle_for("one", Duration::from_secs(2)).await;
    assert_eq!(team.secrets().get("charts").await.expect("there").resource_version(), first.resource_version());
    team.delete("one").await;
    team.until_argocd_synced("two", "charts").await;

    // Nor is it a pull secret of another object, even if its owner reference is removed.
    let mut other = token("other", "names the Secret of another object");
    other["spec"]["secret"] = json!({"name": "charts"});
    team.apply(other).await;
    team.until("other", "False", "SecretNotOwned").await;
    team.until_argocd_synced("two", "charts").await;
}

#[tokio::test]
async fn the_secret_goes_with_the_field_and_with_the_object() {
    let team = Team::new("argocd-removed").await;
    team.argocd_token("pull", json!({})).await;
    let object = team.until_synced("pull").await;
    team.until_argocd_synced("pull", NAME).await;
    let renamed = Patch::Merge(json!({"spec": {"secret": {"argocdRepository": {"name": "charts"}}}}));
    let error = team.tokens().patch("pull", &PatchParams::default(), &renamed).await.expect_err("rejected");
    assert!(error.to_string().contains("argocdRepository.name cannot be changed"), "{error}");
    team.patch("pull", json!({"spec": {"secret": {"argocdRepository": null}}})).await;
    until_gone(&team.secrets(), NAME).await;
    let gone = |object: &registry_token_operator::api::RegistryToken| {
        object.status.as_ref().is_some_and(|status| status.argocd_repository.is_none())
    };
    team.until_object("pull", "no record", gone).await;
    team.until_live(&[current_id(&object)]).await;

    // With another name, after the removal.
    team.argocd_token("pull", json!({"name": "charts"})).await;
    team.until_argocd_synced("pull", "charts").await;
    team.delete("pull").await;
    until_gone(&team.secrets(), "charts").await;
    assert!(team.portal.ledger().live().is_empty());
}

#[tokio::test]
async fn an_orphaned_secret_stays_as_argocd_reads_it() {
    let team = Team::new("argocd-orphan").await;
    team.argocd_token("pull", json!({})).await;
    team.until_synced("pull").await;
    let before = team.until_argocd_synced("pull", NAME).await;
    team.patch("pull", json!({"spec": {"deletionPolicy": "Orphan"}})).await;
    team.delete("pull").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = team.secrets().get(NAME).await.expect("it stays");
    assert_eq!((after.uid(), &after.data), (before.uid(), &before.data));
    let labels = [("argocd.argoproj.io/secret-type".to_owned(), "repository".to_owned())];
    assert_eq!((after.labels(), after.owner_references().len()), (&labels.into(), 0));
}

#[tokio::test]
async fn a_url_outside_of_the_issuers_registries_gets_no_login() {
    let team = Team::new("argocd-url").await;
    team.argocd_token("pull", json!({"url": "registry.attacker.example/charts"})).await;
    let message = team.until_condition("pull", CONDITION, "False", "ArgoCDRepositoryNotServed").await;
    assert!(message.contains("\"registry.attacker.example/charts\""), "{message}");
    team.until_event("pull", "ArgoCDRepositoryNotServed").await;
    assert_eq!(ready(&team.until_synced("pull").await).0, "True");
    assert!(team.secrets().get_opt(NAME).await.expect("read").is_none());
    team.assert_idle_for("pull", Duration::from_secs(2)).await;

    let url = |url: String| json!({"spec": {"secret": {"argocdRepository": {"url": url}}}});
    team.patch("pull", url(team.charts())).await;
    team.until_argocd_synced("pull", NAME).await;
    // The Secret does not keep a login that nothing keeps up to date.
    team.patch("pull", url("registry.attacker.example/charts".to_owned())).await;
    until_gone(&team.secrets(), NAME).await;
    team.until_condition("pull", CONDITION, "False", "ArgoCDRepositoryNotServed").await;
}
