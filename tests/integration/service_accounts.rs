//! `spec.serviceAccounts`: the Secret is in `imagePullSecrets` of the named accounts, whatever else happens to them.

use crate::control_plane::eventually;
use crate::fixture::{LIMIT, Team, condition, ready, token};
use crate::helpers::current_id;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub const CONDITION: &str = "ServiceAccountsSynced";

impl Team {
    pub fn accounts(&self) -> Api<ServiceAccount> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates an account with these entries.
    pub async fn account(&self, name: &str, secrets: &[&str]) -> ServiceAccount {
        let entries: Vec<Value> = secrets.iter().map(|name| json!({"name": name})).collect();
        let account = json!({"metadata": {"name": name}, "imagePullSecrets": entries});
        let account = serde_json::from_value(account).expect("an account");
        self.accounts().create(&PostParams::default(), &account).await.expect("created")
    }

    /// Forces the list of an account, as a tool that applies manifests from git does.
    async fn force_account(&self, manager: &str, name: &str, secrets: &[&str]) {
        let entries: Vec<Value> = secrets.iter().map(|name| json!({"name": name})).collect();
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}, "imagePullSecrets": entries,
        });
        let params = PatchParams::apply(manager).force();
        self.accounts().patch(name, &params, &Patch::Apply(&account)).await.expect("applied");
    }

    pub async fn named_token(&self, name: &str, accounts: &[&str]) {
        let mut object = token(name, "for accounts");
        object["spec"]["serviceAccounts"] = names(accounts);
        self.apply(object).await;
    }

    pub async fn name_accounts(&self, token: &str, accounts: &[&str]) {
        self.patch(token, json!({"spec": {"serviceAccounts": names(accounts)}})).await;
    }

    async fn entries(&self, name: &str) -> Vec<String> {
        entries_of(&self.accounts().get(name).await.expect("an account"))
    }

    pub async fn until_entries(&self, name: &str, wanted: &[&str]) {
        eventually(&format!("imagePullSecrets of {name} to be {wanted:?}"), LIMIT, async || {
            let account = self.accounts().get(name).await.map_err(|error| error.to_string())?;
            let entries = entries_of(&account);
            if entries == wanted { Ok(()) } else { Err(format!("{entries:?}")) }
        })
        .await;
    }

    pub async fn until_accounts_synced(&self, token: &str) {
        self.until_condition(token, CONDITION, "True", "Synced").await;
    }

    async fn version_of(&self, account: &str) -> Option<String> {
        self.accounts().get(account).await.expect("an account").resource_version()
    }
}

fn names(accounts: &[&str]) -> Value {
    accounts.iter().map(|name| json!({"name": name})).collect()
}

fn entries_of(account: &ServiceAccount) -> Vec<String> {
    account.image_pull_secrets.iter().flatten().map(|secret| secret.name.clone()).collect()
}

#[tokio::test]
async fn the_secret_is_added_last_and_removed_with_its_name_or_with_the_object() {
    let team = Team::new("accounts").await;
    let before = team.account("ci", &["b", "a"]).await;
    team.account("build", &[]).await;
    team.account("other", &["b"]).await;
    let untouched = team.version_of("other").await;
    team.named_token("pull", &["ci", "build"]).await;
    team.until_synced("pull").await;
    team.until_accounts_synced("pull").await;
    assert_eq!(team.entries("ci").await, ["b", "a", "pull"]);
    assert_eq!(team.entries("build").await, ["pull"]);
    let ci = team.accounts().get("ci").await.expect("there");
    assert_eq!((ci.uid(), ci.labels(), &ci.secrets), (before.uid(), before.labels(), &before.secrets));

    team.name_accounts("pull", &["ci"]).await;
    team.until_entries("build", &[]).await;
    let build = team.accounts().get("build").await.expect("there");
    assert!(build.image_pull_secrets.is_none(), "as before");
    let object = team
        .until_object("pull", "one recorded account", |object| {
            object.status.as_ref().is_some_and(|status| status.service_accounts.len() == 1)
        })
        .await;
    assert_eq!(object.status.expect("there").service_accounts[0].name.as_str(), "ci");

    // An entry that its user moves, and other changes of the account, need no write.
    team.force_account("user", "ci", &["pull", "b", "c"]).await;
    team.assert_idle_after_change("ci", &["pull", "b", "c"]).await;
    team.delete("pull").await;
    assert_eq!(team.entries("ci").await, ["b", "c"]);
    assert!(team.portal.ledger().live().is_empty());
    assert_eq!(team.version_of("other").await, untouched);
}

impl Team {
    /// Waits until the object has recorded the account's version, and asserts that the account is not written.
    async fn assert_idle_after_change(&self, account: &str, wanted: &[&str]) {
        let version = self.version_of(account).await;
        self.until_object("pull", "the version of the account", |object| {
            let status = object.status.as_ref();
            status.is_some_and(|status| status.service_accounts.iter().any(|one| one.resource_version == version))
        })
        .await;
        self.assert_idle_for("pull", Duration::from_secs(2)).await;
        assert_eq!(self.version_of(account).await, version);
        assert_eq!(self.entries(account).await, wanted);
    }
}

#[tokio::test]
async fn an_account_that_appears_later_or_again_gets_the_secret() {
    let team = Team::new("later-accounts").await;
    team.named_token("pull", &["ci", "later"]).await;
    let message = team.until_condition("pull", CONDITION, "False", "ServiceAccountNotFound").await;
    assert!(message.contains("\"ci\" does not exist") && message.contains("\"later\" does not exist"), "{message}");
    assert_eq!(ready(&team.until_synced("pull").await).0, "True", "pods that name the Secret can pull");
    for name in ["ci", "later"] {
        team.account(name, &["a"]).await;
        team.until_entries(name, &["a", "pull"]).await;
    }
    team.until_accounts_synced("pull").await;

    let begun = Instant::now();
    team.accounts().delete("ci", &DeleteParams::default()).await.expect("deleted");
    team.account("ci", &["z"]).await;
    team.until_entries("ci", &["z", "pull"]).await;
    assert!(begun.elapsed() < Duration::from_secs(9), "at once, without the delay of an overwritten account");
    team.accounts().delete("later", &DeleteParams::default()).await.expect("deleted");
    team.until_condition("pull", CONDITION, "False", "ServiceAccountNotFound").await;
    team.delete("pull").await;
    assert_eq!(team.entries("ci").await, ["z"], "an absent account holds nothing up");
}

#[tokio::test]
async fn two_objects_with_one_account_each_manage_their_own_entry() {
    let team = Team::new("shared-account").await;
    team.account("ci", &["a"]).await;
    for name in ["one", "two"] {
        team.named_token(name, &["ci"]).await;
    }
    for name in ["one", "two"] {
        team.until_accounts_synced(name).await;
    }
    let mut entries = team.entries("ci").await;
    assert_eq!(entries.remove(0), "a");
    entries.sort();
    assert_eq!(entries, ["one", "two"]);
    team.delete("one").await;
    assert_eq!(team.entries("ci").await, ["a", "two"]);
    team.name_accounts("two", &[]).await;
    team.until_entries("ci", &["a"]).await;
    let object = team.until_object("two", "no condition", |object| condition(object, CONDITION).is_none()).await;
    assert!(object.status.expect("there").service_accounts.is_empty());
}

#[tokio::test]
async fn nothing_is_added_before_the_secret_contains_a_token() {
    let team = Team::new("account-waits").await;
    let account = team.account("ci", &["a"]).await;
    team.portal.down().await;
    team.named_token("pull", &["ci"]).await;
    team.until_condition("pull", CONDITION, "False", "ServiceAccountsPending").await;
    assert_eq!(team.version_of("ci").await, account.resource_version());
    team.portal.up().await;
    team.until_entries("ci", &["a", "pull"]).await;
    team.until_accounts_synced("pull").await;
}

#[tokio::test]
async fn a_manager_that_takes_the_entry_away_is_named_and_not_fought() {
    let team = Team::new("taken-account").await;
    team.account("ci", &[]).await;
    team.named_token("pull", &["ci"]).await;
    team.until_accounts_synced("pull").await;
    for (count, delay) in [(1, 10), (2, 20)] {
        let begun = Instant::now();
        team.force_account("kustomize-controller", "ci", &["a"]).await;
        let message = team.until_condition("pull", CONDITION, "False", "ServiceAccountOverwritten").await;
        assert!(message.contains("field manager \"kustomize-controller\""), "{message}");
        let object = team.until("pull", "True", "TokenStored").await;
        let record = object.status.expect("there").service_accounts.remove(0);
        assert_eq!(record.overwritten.expect("there").count, count);
        // Changes of the account in the meantime end no delay.
        team.force_account("kustomize-controller", "ci", &["a", "b"]).await;
        team.until_entries("ci", &["a", "b", "pull"]).await;
        let waited = begun.elapsed();
        assert!(waited > Duration::from_secs(delay - 2), "{waited:?}");
        team.until_accounts_synced("pull").await;
    }
    team.until_event("pull", "ServiceAccountOverwritten").await;
    team.delete("pull").await;
    assert_eq!(team.entries("ci").await, ["a", "b"]);
}

/// A policy that rejects changes of the accounts of a team.
async fn forbid_accounts(team: &Team) {
    let name = format!("no-accounts-{}", team.namespace);
    let group = "admissionregistration.k8s.io/v1";
    let rules =
        json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["serviceaccounts"]}]);
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": team.namespace}});
    let manifests = [
        json!({
            "apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": rules, "namespaceSelector": selector},
                "validations": [{"expression": "false", "message": "not here"}],
            },
        }),
        json!({
            "apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        }),
    ];
    for manifest in &manifests {
        team.control_plane.apply(&manifest.to_string()).await.expect("applied");
    }
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let change = Patch::Merge(json!({"metadata": {"labels": {"probe": "x"}}}));
    eventually("the policy to be in force", LIMIT, async || {
        match team.accounts().patch("probe", &dry, &change).await {
            Err(kube::Error::Api(status)) if status.code == 422 => Ok(()),
            other => Err(format!("{:?}", other.map(|_| "admitted"))),
        }
    })
    .await;
}

#[tokio::test]
async fn a_rejected_change_of_an_account_is_reported_and_blocks_neither_token_nor_revocation() {
    let team = Team::new("refused-account").await;
    team.account("probe", &[]).await;
    team.account("first", &["a"]).await;
    team.named_token("pull", &["first"]).await;
    team.until_accounts_synced("pull").await;
    forbid_accounts(&team).await;
    team.account("second", &["a"]).await;
    team.name_accounts("pull", &["first", "second"]).await;
    let message = team.until_condition("pull", CONDITION, "False", "ServiceAccountRejected").await;
    assert!(
        message.contains("cannot be added to the ServiceAccount \"second\"") && message.contains("not here"),
        "{message}"
    );
    team.until_event("pull", "ServiceAccountRejected").await;
    let object = team.until_synced("pull").await;
    team.until_live(&[current_id(&object)]).await;
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
    assert_eq!(team.entries("first").await, ["a", "pull"], "it cannot be removed");
}

#[tokio::test]
async fn an_orphaned_secret_stays_in_its_accounts() {
    let team = Team::new("orphan-account").await;
    team.account("ci", &["a"]).await;
    team.named_token("pull", &["ci"]).await;
    team.until_accounts_synced("pull").await;
    team.patch("pull", json!({"spec": {"deletionPolicy": "Orphan"}})).await;
    team.delete("pull").await;
    assert!(team.secrets().get("pull").await.is_ok());
    assert_eq!(team.entries("ci").await, ["a", "pull"]);
}

#[tokio::test]
async fn the_deletion_of_a_namespace_is_not_held_up_by_its_accounts() {
    let team = Team::new("account-namespace").await;
    team.account("ci", &["a"]).await;
    team.named_token("pull", &["ci", "default"]).await;
    team.until_accounts_synced("pull").await;
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(team.client.clone());
    namespaces.delete(&team.namespace, &DeleteParams::default()).await.expect("deleted");
    crate::fixture::until_gone(&namespaces, &team.namespace).await;
    assert!(team.portal.ledger().live().is_empty());
}
