//! The permission to write an object's status is removed and restored.

use crate::control_plane::eventually;
use crate::fake_portal::Operation;
use crate::fixture::{LIMIT, Team};
use crate::operator_process::Operator;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

const ROLE: &str = "registry-token-operator";
const ACCOUNT: &str = "system:serviceaccount:registry-token-operator:registry-token-operator";

/// Applies this role, and waits until it is in effect.
async fn grant(team: &Team, wanted: ClusterRole) {
    let roles: Api<ClusterRole> = Api::all(team.client.clone());
    let mut role = roles.get(ROLE).await.expect("a role");
    role.rules = wanted.rules;
    let may = role.rules.iter().flatten().any(allows_status);
    roles.replace(ROLE, &PostParams::default(), &role).await.expect("replaced");
    let reviews: Api<SubjectAccessReview> = Api::all(team.client.clone());
    let review: SubjectAccessReview = serde_json::from_value(json!({"spec": {"user": ACCOUNT, "resourceAttributes": {
        "group": "registry-token.dev", "resource": "registrytokens", "subresource": "status", "verb": "update",
        "namespace": team.namespace,
    }}}))
    .expect("a review");
    eventually("the role to take effect", LIMIT, async || {
        let answer = reviews.create(&PostParams::default(), &review).await.map_err(|error| error.to_string())?;
        let allowed = answer.status.is_some_and(|status| status.allowed);
        if allowed == may { Ok(()) } else { Err(format!("allowed: {allowed}")) }
    })
    .await;
}

fn allows_status(rule: &k8s_openapi::api::rbac::v1::PolicyRule) -> bool {
    rule.resources.as_ref().is_some_and(|resources| resources.iter().any(|one| one == "registrytokens/status"))
}

/// How many status writes were rejected.
async fn rejected_status_writes(operator: &Operator) -> u64 {
    let text = operator.metrics().await;
    let line = text.lines().find_map(|line| {
        line.strip_prefix("registry_token_operator_status_write_failures_total{reason=\"rejected\"} ")
    });
    line.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("not counted: {text}"))
}

/// Meanwhile nothing leaks, an event and a metric report what the status cannot, and the object recovers.
pub async fn status_writes(team: Team, operator: &Operator) {
    team.token("works", "there before").await;
    team.token("goes", "deleted meanwhile").await;
    team.until_synced("works").await;
    team.until_synced("goes").await;
    let roles: Api<ClusterRole> = Api::all(team.client.clone());
    let whole = roles.get(ROLE).await.expect("a role");
    let mut less = whole.clone();
    less.rules.get_or_insert_default().retain(|rule| !allows_status(rule));
    grant(&team, less).await;

    let before = rejected_status_writes(operator).await;
    team.token("pull", "created meanwhile").await;
    let event = team.until_event("pull", "StatusNotWritten").await;
    let note = event.message.expect("a note");
    assert!(note.contains("registrytokens/status") && note.contains("conditions are outdated"), "{note}");
    // A deletion needs no status.
    team.delete("goes").await;
    eventually("it to be retried", LIMIT, async || match rejected_status_writes(operator).await - before {
        count @ 0..4 => Err(format!("{count} times")),
        _ => Ok(()),
    })
    .await;
    let ledger = team.portal.ledger();
    assert_eq!(ledger.count(Operation::Request), 3, "a token is requested once");
    let mut stored = vec![];
    for name in ["works", "pull"] {
        stored.push(String::from_utf8(team.dockerconfigjson(name).await).expect("text"));
    }
    let live = ledger.live();
    assert!(
        live.len() == 2
            && live.iter().all(|token| stored.iter().any(|text| text.contains(&json!(token.secret).to_string()))),
        "{live:?}"
    );

    grant(&team, whole).await;
    let object = team.until_synced("pull").await;
    let username = object.status.and_then(|status| status.token).map(|token| token.username);
    assert!(ledger.live().iter().any(|token| Some(&token.username) == username.as_ref()), "{username:?}");
    assert_eq!((ledger.all().len(), ledger.live().len()), (3, 2), "the stored token is adopted");
}
