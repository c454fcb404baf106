//! Helpers for tests of a token after its creation.

use crate::control_plane::eventually;
use crate::fixture::{LIMIT, Team, condition};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use registry_token_operator::api::{RecordedToken, RegistryToken};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub fn current(object: &RegistryToken) -> RecordedToken {
    object.status.as_ref().and_then(|status| status.token.clone()).expect("a token")
}

/// The id of the current token at the portal.
pub fn current_id(object: &RegistryToken) -> i64 {
    current(object).id.parse().expect("a number")
}

/// The number of retiring tokens.
pub fn retiring(object: &RegistryToken) -> usize {
    object.status.as_ref().map_or(0, |status| status.retiring.len())
}

/// A value that no annotation has had yet.
pub fn unique_value() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(1);
    format!("v{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Team {
    /// Annotates an object as `kubectl annotate` would.
    pub async fn annotate(&self, name: &str, key: &str, value: &str) {
        let key = format!("registry-token.dev/{key}");
        self.patch(name, json!({"metadata": {"annotations": {key: value}}})).await;
    }

    /// Annotates the team's issuer.
    pub async fn annotate_issuer(&self, key: &str, value: &str) {
        let key = format!("registry-token.dev/{key}");
        let change = Patch::Merge(json!({"metadata": {"annotations": {key: value}}}));
        self.issuers().patch("portal", &PatchParams::default(), &change).await.expect("annotated");
    }

    /// Merge-patches the status of an object, as a user would by hand.
    pub async fn patch_status(&self, name: &str, change: Value) {
        let change = Patch::Merge(json!({"status": change}));
        self.tokens().patch_status(name, &PatchParams::default(), &change).await.expect("patched");
    }

    /// Waits until the object satisfies a condition.
    #[track_caller]
    pub fn until_object(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&RegistryToken) -> bool,
    ) -> impl Future<Output = RegistryToken> {
        let what = format!("{name}: {what}");
        let tokens = self.tokens();
        let name = name.to_owned();
        async move {
            eventually(&what, LIMIT, async || {
                let object = tokens.get(&name).await.map_err(|error| error.to_string())?;
                if wanted(&object) { Ok(object) } else { Err(json!(object.status).to_string()) }
            })
            .await
        }
    }

    /// Waits until a condition has this status and reason; returns its message.
    pub async fn until_condition(&self, name: &str, kind: &str, status: &str, reason: &str) -> String {
        let is = |object: &RegistryToken| {
            condition(object, kind).is_some_and(|one| one["status"] == status && one["reason"] == reason)
        };
        let object = self.until_object(name, &format!("{kind}={status} {reason}"), is).await;
        condition(&object, kind).unwrap_or_default()["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the object has a current token other than this one, and returns it.
    pub async fn until_replaced(&self, name: &str, former: &RecordedToken) -> RegistryToken {
        let other = |object: &RegistryToken| {
            object.status.as_ref().and_then(|status| status.token.as_ref()).is_some_and(|token| token.id != former.id)
        };
        self.until_object(name, "another token", other).await
    }

    /// Waits until this many tokens are live.
    pub async fn until_live_count(&self, wanted: usize) {
        eventually(&format!("{wanted} live tokens"), LIMIT, async || {
            let live = self.portal.ledger().live().len();
            if live == wanted { Ok(()) } else { Err(format!("{live} are live")) }
        })
        .await;
    }

    /// Waits until the portal has exactly these live tokens.
    pub async fn until_live(&self, wanted: &[i64]) {
        eventually(&format!("the live tokens to be {wanted:?}"), LIMIT, async || {
            let live: Vec<i64> = self.portal.ledger().live().iter().map(|token| token.id).collect();
            if live == wanted { Ok(()) } else { Err(format!("{live:?}")) }
        })
        .await;
    }

    pub async fn secret_uid(&self, name: &str) -> Option<String> {
        self.secrets().get(name).await.expect("a Secret").uid()
    }

    pub async fn patch_secret(&self, name: &str, change: Value) {
        self.secrets().patch(name, &PatchParams::default(), &Patch::Merge(change)).await.expect("patched");
    }

    /// Requests audits of the portal until this is true. More than one may be needed: a list proves absence only if it
    /// was begun long enough after the token request.
    pub async fn audit_until(&self, what: &str, mut seen: impl AsyncFnMut() -> Result<(), String>) {
        let mut next = std::time::Instant::now();
        eventually(what, LIMIT, async || {
            if next <= std::time::Instant::now() {
                self.annotate_issuer("reconcile", &unique_value()).await;
                next = std::time::Instant::now() + Duration::from_secs(2);
            }
            seen().await
        })
        .await;
    }

    /// Requests audits until an object satisfies a condition.
    pub async fn audit_until_object(&self, name: &str, what: &str, wanted: impl Fn(&RegistryToken) -> bool) {
        self.audit_until(&format!("{name}: {what}"), async || {
            let object = self.tokens().get(name).await.map_err(|error| error.to_string())?;
            if wanted(&object) { Ok(()) } else { Err(json!(object.status).to_string()) }
        })
        .await;
    }

    /// Waits until the status of an object contains no retiring token.
    pub async fn until_retired(&self, name: &str) {
        eventually(&format!("{name} to have no retiring token in its status"), LIMIT, async || {
            let object = self.tokens().get(name).await.map_err(|error| error.to_string())?;
            let retiring = object.status.map(|status| status.retiring).unwrap_or_default();
            if retiring.is_empty() { Ok(()) } else { Err(format!("{retiring:?}")) }
        })
        .await;
    }

    /// Checks that for this long no task runs at the portal and the object is not written.
    pub async fn assert_idle_for(&self, name: &str, how_long: Duration) {
        let before = self.tokens().get(name).await.expect("there").resource_version();
        self.assert_no_task_for(how_long).await;
        let after = self.tokens().get(name).await.expect("there").resource_version();
        assert_eq!(before, after, "the object is not written");
    }

    /// Asserts that the portal runs no task for some time.
    pub async fn assert_no_task_for(&self, how_long: Duration) {
        let position = self.portal.ledger().position();
        tokio::time::sleep(how_long).await;
        let asked = self.portal.ledger().requests_since(position);
        assert!(!asked.iter().any(|request| request.operation.is_task()), "no task is run");
    }
}
