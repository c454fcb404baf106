//! Observations: a new object, one at rest, and changes of them.

use super::*;

/// An object with a finalizer that has nothing else yet.
pub fn new_object() -> Observed {
    let object = Object {
        uid: UID.into(),
        resource_version: "1".into(),
        created: at(-1000),
        generation: 1,
        deleting: false,
        has_finalizer: true,
        description: "prod".into(),
        projects: vec![],
        secret_name: "pull".into(),
        issuer: "ClusterTokenIssuer default".into(),
        rotation: None,
        rotation_windows: RotationWindows::default(),
        suspended: false,
        reissue_revoked: true,
        revoke_on_deletion: true,
        requested_annotations: BTreeMap::new(),
        import: None,
        confirmed_revoked: vec![],
        status: None,
        keys: keys(),
    };
    Observed {
        now: now(),
        object,
        secret: None,
        issuer: IssuerState::Ready(issuer_info()),
        namespace_access: NamespaceAccess::Allowed,
        identity: IDENTITY.into(),
        upstream: UpstreamState::Unknown,
        resync_requested: false,
        attempt_id: attempt_id(2),
        token_requested: false,
        cooldowns: vec![],
        normalized_description: None,
        revoked_tokens: vec![],
        recheck: crate::domain::observed::Recheck::NotRequested,
        edit_retry_after: None,
        request_history: RequestHistory::default(),
    }
}

/// An object at rest: nothing is left to do.
pub fn at_rest() -> Observed {
    let mut observed = Observed { secret: Some(secret()), now: at(REQUESTED), ..new_object() };
    apply(&mut observed, token_stored("17", Cause::First));
    apply(&mut observed, StatusEvent::DescriptionSynced);
    Observed { now: now(), ..observed }
}

/// At rest, with this change.
pub fn at_rest_with(change: impl FnOnce(&mut Observed)) -> Observed {
    let mut observed = at_rest();
    change(&mut observed);
    observed
}

/// At rest, with this change of its Secret.
pub fn at_rest_with_secret(change: impl FnOnce(&mut SecretMeta)) -> Observed {
    at_rest_with(|observed| change(observed.secret.as_mut().expect("a Secret")))
}

/// At rest, with this change of its issuer.
pub fn at_rest_with_issuer(change: impl FnOnce(&mut IssuerInfo)) -> Observed {
    at_rest_with(|observed| change_issuer(observed, change))
}

pub fn change_issuer(observed: &mut Observed, change: impl FnOnce(&mut IssuerInfo)) {
    let mut issuer = observed.issuer_info().cloned().unwrap_or_else(issuer_info);
    change(&mut issuer);
    observed.issuer = IssuerState::Ready(issuer);
}

/// Applies an event to the object's status.
pub fn apply(observed: &mut Observed, event: StatusEvent) {
    observed.object.status = Some(next_status(observed.object.status.as_ref(), &StatusContext::of(observed), event));
}

/// The object is being deleted.
pub fn deleting(mut observed: Observed) -> Observed {
    observed.object.deleting = true;
    observed
}
