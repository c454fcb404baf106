//! The roles for people: who has the built-in roles view and edit in a namespace can use the kinds there, and nobody
//! gets status, Secrets or cluster issuers with them. And what people see: columns, short names, selectable fields.

use crate::control_plane::eventually;
use crate::fixture::{LIMIT, Team};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

/// Whether this user may do this with a resource (`name` or `name/subresource`) of the operator's group.
async fn may(team: &Team, user: &str, verb: &str, resource: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let reviews: Api<SubjectAccessReview> = Api::all(team.client.clone());
    let attributes = ResourceAttributes {
        group: Some("registry-token.dev".to_owned()),
        namespace: Some(team.namespace.clone()),
        resource: Some(resource.to_owned()),
        subresource: Some(subresource.to_owned()),
        verb: Some(verb.to_owned()),
        ..ResourceAttributes::default()
    };
    let spec = SubjectAccessReviewSpec {
        user: Some(user.to_owned()),
        resource_attributes: Some(attributes),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let answer = reviews.create(&PostParams::default(), &review).await.expect("reviewed");
    answer.status.is_some_and(|status| status.allowed)
}

/// Gives a user of the role's name a built-in role in the team's namespace.
async fn bind(team: &Team, role: &str) {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": role},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": role}],
    });
    team.apply(binding).await;
}

async fn until_may(team: &Team, user: &str, verb: &str) {
    eventually(&format!("{user} to {verb} RegistryTokens"), LIMIT, async || {
        if may(team, user, verb, "registrytokens").await { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
}

#[tokio::test]
async fn the_built_in_roles_include_the_kinds_and_neither_status_nor_cluster_issuers() {
    let team = Team::new("user-roles").await;
    for role in ["view", "edit", "admin"] {
        bind(&team, role).await;
    }
    until_may(&team, "view", "list").await;
    until_may(&team, "edit", "create").await;
    until_may(&team, "admin", "create").await;
    for resource in ["registrytokens", "tokenissuers"] {
        for verb in ["get", "list", "watch"] {
            for user in ["view", "edit", "admin"] {
                assert!(may(&team, user, verb, resource).await, "{user} {verb} {resource}");
            }
            assert!(!may(&team, "stranger", verb, resource).await, "{verb} {resource}");
        }
        for verb in ["create", "update", "patch", "delete", "deletecollection"] {
            assert!(!may(&team, "view", verb, resource).await, "view {verb} {resource}");
            assert!(may(&team, "edit", verb, resource).await, "edit {verb} {resource}");
            assert!(may(&team, "admin", verb, resource).await, "admin {verb} {resource}");
            for part in ["status", "finalizers"] {
                let resource = format!("{resource}/{part}");
                assert!(!may(&team, "edit", verb, &resource).await, "edit {verb} {resource}");
                assert!(!may(&team, "admin", verb, &resource).await, "admin {verb} {resource}");
            }
        }
    }
    for verb in ["create", "update", "patch", "delete"] {
        for user in ["view", "edit", "admin"] {
            for resource in ["clustertokenissuers", "clusterregistrytokens"] {
                assert!(!may(&team, user, verb, resource).await, "{user} {verb} {resource}");
            }
        }
    }
}

#[tokio::test]
async fn objects_are_selected_by_their_issuer_and_shown_with_the_age_of_their_token_and_the_next_rotation() {
    let team = Team::new("columns").await;
    let mut rotated = crate::fixture::token("pull", "is rotated");
    rotated["spec"]["rotation"] = json!({"interval": "24h"});
    team.apply(rotated).await;
    let other = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken", "metadata": {"name": "other"},
        "spec": {"description": "waits", "issuerRef": {"kind": "TokenIssuer", "name": "absent"}},
    });
    team.apply(other).await;
    let object = team.until_synced("pull").await;
    let kubectl = async |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["-n", &team.namespace]);
        team.control_plane.kubectl_ok(&all, None).await.expect("done")
    };
    let selector = "--field-selector=spec.issuerRef.kind=TokenIssuer,spec.issuerRef.name=portal";
    assert_eq!(kubectl(&["get", "rtok", selector, "-o", "name"]).await, "registrytoken.registry-token.dev/pull\n");
    let table = kubectl(&["get", "rtok", "pull", "-o", "wide"]).await;
    let header = table.lines().next().expect("a header");
    assert!(header.contains("TOKEN AGE") && header.contains("NEXT ROTATION"), "{table}");
    // A column of the type date would show a time in the future as <invalid>.
    let next = object.status.and_then(|status| status.next_rotation_time).expect("a rotation");
    assert!(table.contains(&next.0.to_string()) && !table.contains("invalid"), "{table}");
    assert!(!kubectl(&["get", "rtok", "pull"]).await.contains("NEXT ROTATION"), "only with -o wide");
    assert!(kubectl(&["get", "tiss", "-o", "name"]).await.contains("tokenissuer.registry-token.dev/portal"));
    team.control_plane.kubectl_ok(&["get", "ctiss"], None).await.expect("the short name is known");
}
