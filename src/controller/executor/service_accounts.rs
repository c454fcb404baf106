//! Adds the pull secret to the `ServiceAccount`s that the spec names, and removes it from others.

use super::Executor;
use super::last_writer::last_writer;
use crate::api::{DeletionPolicy, Reason, RecordedServiceAccount, RegistryTokenStatus, ServiceAccountRef};
use crate::controller::api_call::{ApiError, call};
use crate::controller::decode::service_account::service_account;
use crate::controller::field_manager::patch_params;
use crate::controller::state::account_changes::Changes;
use crate::domain::observed::Observed;
use crate::domain::service_accounts::{
    Account, AccountState, Decision, Reading, Report, Wish, after_write, decide, known_state, must_read, prepare,
    prepared, report, wish,
};
use crate::domain::status::{StatusEvent, service_accounts_condition};
use crate::kube_client::objects::ObjectClient;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::ResourceExt;
use kube::api::Patch;
use serde_json::json;
use std::time::Duration;

/// How often an account that others change at the same moment is read again.
const MAX_TRIES: u8 = 3;
/// After a conflict of the status.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// The removal at the end of a deletion delays the finalizer no longer than this.
const MAX_REMOVAL: Duration = Duration::from_secs(10);

impl Executor<'_> {
    /// Brings the accounts in line with the spec, at the end of a pass. Returns when they have to be checked again.
    /// `generation` is that of the cached object, with which events about accounts are compared.
    pub async fn sync_service_accounts(&mut self, observed: &Observed, generation: Option<i64>) -> Option<Duration> {
        let status = self.own_status()?;
        let named = self.snapshot.object.spec.service_accounts.clone();
        let is_used = !named.is_empty() || !status.service_accounts.is_empty();
        let is_used = is_used || service_accounts_condition(Some(status)).is_some();
        // If the spec changed meanwhile, its event starts another pass.
        let is_current = self.snapshot.object.metadata.generation == generation
            && status.observed_generation == generation
            && self.snapshot.object.metadata.deletion_timestamp.is_none();
        if !is_used || !is_current || !self.ctx.claim.is_held() {
            return None;
        }
        let recorded = status.service_accounts.clone();
        let stored = status.token.is_some();
        let records = if stored { prepare(&named, &recorded) } else { recorded.clone() };
        if records != recorded && !self.write_report(observed, prepared(records.clone())).await {
            return Some(RETRY_INTERVAL);
        }
        let key = self.snapshot.key();
        let events = self.ctx.account_changes.of(&key);
        let report = report(&named, self.check_all(records, &named, &events).await);
        let retry_after = report.retry_after;
        if !self.write_report(observed, report).await {
            return Some(RETRY_INTERVAL);
        }
        self.ctx.account_changes.settle(&key, &events);
        retry_after
    }

    /// Checks the recorded accounts. `events` are the versions that events showed.
    async fn check_all(
        &self,
        records: Vec<RecordedServiceAccount>,
        named: &[ServiceAccountRef],
        events: &Changes,
    ) -> Vec<(RecordedServiceAccount, AccountState)> {
        // After the first one, the others would not be answered either.
        let mut unavailable = None;
        let mut checked = vec![];
        for mut record in records {
            let version = events.get(record.name.as_str());
            let is_changed = version.is_some_and(|version| version.is_none() || *version != record.resource_version);
            let state = self.check(&mut record, named, is_changed, unavailable.clone()).await;
            if let AccountState::Unavailable(why) = &state {
                unavailable = Some(why.clone());
            }
            checked.push((record, state));
        }
        checked
    }

    /// Checks one account, if that is necessary.
    async fn check(
        &self,
        record: &mut RecordedServiceAccount,
        named: &[ServiceAccountRef],
        is_changed: bool,
        unavailable: Option<String>,
    ) -> AccountState {
        let (wish, now) = (wish(named, &record.name), self.ctx.clock.now());
        if !must_read(record, wish, is_changed, now) {
            return known_state(record, now);
        }
        if let Some(why) = unavailable {
            record.resource_version = None;
            return AccountState::Unavailable(why);
        }
        let state = self.apply(record, wish).await;
        let unknown = record.overwritten.as_mut().filter(|overwritten| overwritten.manager.is_none());
        if let (AccountState::Overwritten(_), Some(overwritten)) = (&state, unknown) {
            let accounts = self.accounts();
            let text = call("read who wrote the ServiceAccount", accounts.get_metadata_text(record.name.as_str()));
            overwritten.manager = text.await.ok().and_then(|text| last_writer(&text, "f:imagePullSecrets"));
        }
        state
    }

    /// Reads an account, and writes it if its list differs.
    async fn apply(&self, record: &mut RecordedServiceAccount, wish: Wish) -> AccountState {
        let secret = self.snapshot.secret_name();
        for _ in 0..MAX_TRIES {
            let reading = self.read_account(record.name.as_str()).await;
            let now = self.ctx.clock.now();
            let (account, secrets) = match decide(record, wish, reading, &secret, now) {
                Decision::Done(state) => return state,
                Decision::Write(account, secrets) => (account, secrets),
            };
            let written = match self.write_account(record.name.as_str(), &account, &secrets).await {
                Some(Reading::Found(written)) => {
                    tracing::info!(object = %self.snapshot.key(), account = %record.name, ?wish, "ServiceAccount written");
                    return after_write(record, wish, written, &secret, now);
                }
                Some(other) => other,
                None => continue,
            };
            if let Decision::Done(state) = decide(record, wish, written, &secret, now) {
                return state;
            }
        }
        AccountState::Contended
    }

    fn accounts(&self) -> ObjectClient<ServiceAccount> {
        ObjectClient::namespaced(self.ctx.client.clone(), &self.snapshot.namespace()).with_parser(service_account)
    }

    async fn read_account(&self, name: &str) -> Reading {
        match call("read the ServiceAccount", self.accounts().get_opt(name)).await {
            Ok(Some(account)) => Reading::Found(to_account(account)),
            Ok(None) => Reading::NotFound,
            Err(error) => reading_from_error(error),
        }
    }

    /// Writes the list of an account, guarded by the version that was read. `None` if it was changed since.
    async fn write_account(&self, name: &str, account: &Account, secrets: &[String]) -> Option<Reading> {
        let secrets: Vec<_> = secrets.iter().map(|name| json!({"name": name})).collect();
        let body = json!({
            "metadata": {"uid": account.uid, "resourceVersion": account.resource_version},
            "imagePullSecrets": (!secrets.is_empty()).then_some(secrets),
        });
        match call("write the ServiceAccount", self.accounts().patch(name, &patch_params(), &Patch::Merge(&body))).await
        {
            Ok(account) => Some(Reading::Found(to_account(account))),
            Err(ApiError::Conflict(_)) => None,
            Err(error) => Some(reading_from_error(error)),
        }
    }

    /// Writes what is known of the accounts into the status. Returns whether the status says it now.
    async fn write_report(&mut self, observed: &Observed, report: Report) -> bool {
        let told = [Reason::ServiceAccountOverwritten, Reason::ServiceAccountRejected];
        self.record(observed, StatusEvent::ServiceAccountsChecked(report), condition, &told).await
    }

    /// Removes the Secret from all recorded accounts before the finalizer is removed. The tokens are revoked already; a
    /// failure does not keep the object. Under `Orphan` the Secret stays, and so do the entries.
    pub(super) async fn clean_service_accounts(&self) {
        let object = &self.snapshot.object;
        let is_deleted = object.metadata.deletion_timestamp.is_some();
        let Some(status) = self.own_status().filter(|status| is_deleted && !status.service_accounts.is_empty()) else {
            return;
        };
        if object.spec.deletion_policy == DeletionPolicy::Orphan {
            return;
        }
        let mut left: Vec<String> = status.service_accounts.iter().map(|record| record.name.to_string()).collect();
        let removal = async {
            for record in &status.service_accounts {
                let state = self.apply(&mut record.clone(), Wish::NotNamed).await;
                if state == AccountState::Removed {
                    left.retain(|name| name != record.name.as_str());
                } else {
                    tracing::warn!(object = %self.snapshot.key(), account = %record.name, ?state, "the Secret is not removed from the ServiceAccount");
                }
            }
        };
        let _ = tokio::time::timeout(MAX_REMOVAL, removal).await;
        if !left.is_empty() {
            let note = format!(
                "the Secret {} could not be removed from these ServiceAccounts, and nothing retries that: {}. Remove it from their imagePullSecrets",
                self.snapshot.secret_name(),
                left.join(", ")
            );
            let reason = Reason::ServiceAccountRejected.to_string();
            self.ctx.events.emit(&self.snapshot.reference(), false, &reason, &note).await;
        }
    }
}

fn to_account(account: ServiceAccount) -> Account {
    Account {
        uid: account.uid().unwrap_or_default(),
        resource_version: account.resource_version().unwrap_or_default(),
        pull_secrets: account.image_pull_secrets.into_iter().flatten().map(|secret| secret.name).collect(),
    }
}

fn reading_from_error(error: ApiError) -> Reading {
    match error {
        ApiError::NotFound(_) => Reading::NotFound,
        ApiError::Rejected(_, message) => Reading::Rejected(message),
        other => Reading::Unavailable(other.to_string()),
    }
}

/// Reason and message of the condition.
fn condition(status: Option<&RegistryTokenStatus>) -> Option<(&str, &str)> {
    service_accounts_condition(status).map(|(_, reason, message)| (reason, message))
}
