//! What tests of a token's later life do and look for.

use crate::control_plane::eventually;
use crate::fixture::{LIMIT, Team, condition};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use registry_token_operator::api::{RecordedToken, RegistryToken};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The current token of an object.
pub fn current(object: &RegistryToken) -> RecordedToken {
    object.status.as_ref().and_then(|status| status.token.clone()).expect("a token")
}

/// The same, as the portal numbers it.
pub fn current_id(object: &RegistryToken) -> i64 {
    current(object).id.parse().expect("a number")
}

/// How many tokens retire.
pub fn retiring(object: &RegistryToken) -> usize {
    object.status.as_ref().map_or(0, |status| status.retiring.len())
}

/// A value that no annotation has had yet.
pub fn unique_value() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(1);
    format!("v{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Team {
    /// Annotates an object as a person with kubectl would.
    pub async fn annotate(&self, name: &str, key: &str, value: &str) {
        let key = format!("registry-token.dev/{key}");
        self.patch(name, json!({"metadata": {"annotations": {key: value}}})).await;
    }

    /// The same for the team's issuer.
    pub async fn annotate_issuer(&self, key: &str, value: &str) {
        let key = format!("registry-token.dev/{key}");
        let change = Patch::Merge(json!({"metadata": {"annotations": {key: value}}}));
        self.issuers().patch("portal", &PatchParams::default(), &change).await.expect("annotated");
    }

    /// Merges a change into the status of an object, as somebody who mends it by hand would.
    pub async fn patch_status(&self, name: &str, change: Value) {
        let change = Patch::Merge(json!({"status": change}));
        self.tokens().patch_status(name, &PatchParams::default(), &change).await.expect("patched");
    }

    /// Waits until the object is as wanted.
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

    /// Waits until the object has another current token than this one, and returns it.
    pub async fn until_replaced(&self, name: &str, former: &RecordedToken) -> RegistryToken {
        let other = |object: &RegistryToken| {
            object.status.as_ref().and_then(|status| status.token.as_ref()).is_some_and(|token| token.id != former.id)
        };
        self.until_object(name, "another token", other).await
    }

    /// Waits until the portal has exactly these live tokens.
    pub async fn until_live(&self, wanted: &[i64]) {
        eventually(&format!("the live tokens to be {wanted:?}"), LIMIT, async || {
            let live: Vec<i64> = self.portal.ledger().live().iter().map(|token| token.id).collect();
            if live == wanted { Ok(()) } else { Err(format!("{live:?}")) }
        })
        .await;
    }

    /// UID of a Secret.
    pub async fn secret_uid(&self, name: &str) -> Option<String> {
        self.secrets().get(name).await.expect("a Secret").uid()
    }

    /// Merges a change into a Secret.
    pub async fn patch_secret(&self, name: &str, change: Value) {
        self.secrets().patch(name, &PatchParams::default(), &Patch::Merge(change)).await.expect("patched");
    }

    /// Has the portal audited, again and again, until this is so: a list proves an absence only when it
    /// was begun long enough after the request.
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

    /// The same, until an object is as wanted.
    pub async fn audit_until_object(&self, name: &str, what: &str, wanted: impl Fn(&RegistryToken) -> bool) {
        self.audit_until(&format!("{name}: {what}"), async || {
            let object = self.tokens().get(name).await.map_err(|error| error.to_string())?;
            if wanted(&object) { Ok(()) } else { Err(json!(object.status).to_string()) }
        })
        .await;
    }

    /// Waits until no former token of an object retires any more, as its status says.
    pub async fn until_retired(&self, name: &str) {
        eventually(&format!("the former tokens of {name} to be gone from its status"), LIMIT, async || {
            let object = self.tokens().get(name).await.map_err(|error| error.to_string())?;
            let retiring = object.status.map(|status| status.retiring).unwrap_or_default();
            if retiring.is_empty() { Ok(()) } else { Err(format!("{retiring:?}")) }
        })
        .await;
    }

    /// That for so long no task is run at the portal and the object is not written.
    pub async fn assert_idle_for(&self, name: &str, how_long: Duration) {
        let before = self.tokens().get(name).await.expect("there").resource_version();
        let position = self.portal.ledger().position();
        tokio::time::sleep(how_long).await;
        let after = self.tokens().get(name).await.expect("there").resource_version();
        assert_eq!(before, after, "the object is not written");
        let asked = self.portal.ledger().requests_since(position);
        assert!(!asked.iter().any(|request| request.operation.is_task()), "no task is run");
    }
}
