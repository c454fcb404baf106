//! A portal that lists no tokens: the registry's login check detects that a colleague revoked a token there.

use crate::control_plane::eventually;
use crate::fake_portal::{Operation, Profile};
use crate::fixture::{LIMIT, Team, ready, stage};
use crate::helpers::current;
use registry_token_operator::api::RegistryToken;
use serde_json::json;

async fn team(name: &str) -> Team {
    let profile = Profile::named("list-hidden").expect("a profile");
    let team = Team::bare(stage(), name, profile.config()).await;
    team.credentials("portal-password").await;
    team.issuer(json!({"thinkwise": {"table": null, "tasks": null}})).await;
    team
}

impl Team {
    /// A colleague revokes the token with this username.
    fn revoke_as_colleague_by_username(&self, username: &str) {
        let live = self.portal.ledger().live();
        let token = live.iter().find(|token| token.username == username).expect("a live token");
        assert!(self.portal.ledger().revoke_as_colleague(token.id));
    }
}

#[tokio::test]
async fn a_revocation_by_a_colleague_is_detected_at_the_registry_and_the_token_is_replaced() {
    let team = team("unlisted").await;
    for name in ["pull", "other"] {
        team.token(name, "while the list is hidden").await;
    }
    let (first, other) = (team.until_synced("pull").await, team.until_synced("other").await);
    let uid = team.secret_uid("pull").await;
    team.revoke_as_colleague_by_username(&current(&first).username);
    let replaced =
        |object: &RegistryToken| ready(object).0 == "True" && current(object).username != current(&first).username;
    team.audit_until_object("pull", "a new token", replaced).await;
    let event = team.until_event("pull", "RevokedUpstream").await;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    assert_eq!(team.secret_uid("pull").await, uid, "updated in place");
    team.pull(&team.dockerconfigjson("pull").await).await.expect("it pulls");
    // Although the portal rejects the revocation.
    team.until_retired("pull").await;
    assert_eq!(team.tokens().get("other").await.expect("there").status, other.status, "the others report nothing");
    assert_eq!((team.portal.ledger().all().len(), team.portal.ledger().live().len()), (3, 2));
}

#[tokio::test]
async fn an_object_whose_token_a_colleague_revoked_can_be_deleted() {
    let team = team("unlisted-goes").await;
    team.token("pull", "while the list is hidden").await;
    let first = team.until_synced("pull").await;
    team.revoke_as_colleague_by_username(&current(&first).username);
    team.delete("pull").await;
    assert_eq!(team.portal.ledger().applied(Operation::Revoke), 0, "there was nothing left to revoke");
}

#[tokio::test]
async fn a_retiring_token_that_a_colleague_revoked_is_dropped_when_its_user_confirms_it() {
    let team = team("unlisted-retires").await;
    team.token("pull", "while the list is hidden").await;
    team.patch("pull", json!({"spec": {"rotation": {"interval": "24h", "overlap": "10s"}}})).await;
    let first = team.until_synced("pull").await;
    let former = current(&first).username;
    team.annotate("pull", "rotate", "once").await;
    eventually("a new token in addition to the old one", LIMIT, async || {
        let object = team.tokens().get("pull").await.map_err(|error| error.to_string())?;
        if current(&object).username == former { Err("not yet") } else { Ok(()) }.map_err(str::to_owned)
    })
    .await;
    team.revoke_as_colleague_by_username(&former);
    // Pods can pull, so `Ready` stays true; the problem is reported in another condition.
    let message = team.until_condition("pull", "Stalled", "True", "RequestRejected").await;
    assert!(
        message.contains(&format!("registry-token.dev/confirmed-revoked={former}")),
        "it says what to do: {message}"
    );
    assert_eq!(ready(&team.tokens().get("pull").await.expect("there")).0, "True");
    team.annotate("pull", "confirmed-revoked", &former).await;
    eventually("it to be dropped", LIMIT, async || {
        let status = team.tokens().get("pull").await.map_err(|error| error.to_string())?.status.expect("a status");
        let stalled = status.conditions.iter().any(|one| one.type_ == "Stalled");
        if status.retiring.is_empty() && !stalled { Ok(()) } else { Err(format!("{:?}", status.conditions)) }
    })
    .await;
    assert_eq!(team.portal.ledger().live().len(), 1);
}

#[tokio::test]
async fn a_forged_id_in_a_secret_is_not_revoked() {
    let team = team("unlisted-forged").await;
    let colleagues = team.portal.ledger().add_as_colleague(Some("not ours"));
    team.token("pull", "while the list is hidden").await;
    let first = team.until_synced("pull").await;
    // There a token's id is its username.
    let forged = json!({"metadata": {"annotations": {"registry-token.dev/token-id": colleagues.username}}});
    team.patch_secret("pull", forged).await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_synced("pull").await;
    let live = || team.portal.ledger().live().into_iter().map(|token| token.username).collect::<Vec<_>>();
    eventually("the previous token to be revoked, and no other", LIMIT, async || {
        let live = live();
        if live == [colleagues.username.clone(), current(&second).username] { Ok(()) } else { Err(format!("{live:?}")) }
    })
    .await;
    team.delete("pull").await;
    assert_eq!(live(), [colleagues.username.as_str()]);
    let theirs = team.portal.ledger().token(colleagues.id).expect("there");
    assert_eq!(theirs.description.as_deref(), Some("not ours"));
}
