//! User actions, and when each is possible.

use super::fakes::{FakeSecret, RegistryState, Slot};
use super::projection::project_object;
use super::world::World;
use registry_token_operator::api::LoginCheck;
use registry_token_operator::domain::model::status_view::StatusView;

/// An action of a user of the cluster or the portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UserAction {
    Create,
    Delete,
    EditDescription,
    Rotate,
    Replace,
    Suspend,
    Resume,
    SetOrphan,
    DeleteSecret,
    EditSecret,
    StripLabel,
    StripOwner,
    StripStored,
    ForgeStored,
    RevokeUpstream,
    EditUpstream,
    RestoreCopy,
    DeleteIssuer,
    CreateForeignSecret,
    MakeSecretImmutable,
    SetHold,
    RotateAll,
    ReplaceAll,
    BreakIssuer,
    RepairIssuer,
    MoveIssuer,
    MoveIssuerBack,
    RegistryRejects,
    RegistryGoesDown,
    RegistryComesUp,
    HideList,
    ShowList,
    ConfirmRevoked,
    RequestResync,
    AllowAdoption,
    ChangeSecretType,
    RestoreSecret,
    ForgeCurrent,
    ForgeRetiring,
    RetireCurrent,
    WipeStatus,
    CopyStored,
    RotateKey,
    LoseKey,
    /// GitOps replaces the object: its finalizers and annotations are removed.
    RewriteObject,
    /// GitOps replaces the metadata of the Secret: its label and owner reference are removed.
    RewriteSecret,
    /// The issuer does not serve the namespaces any more, or their labels are removed.
    DenyNamespaces,
    AllowNamespaces,
}

impl UserAction {
    /// The actions of schedules in which namespaces are denied and allowed. They are schedules of their own, so that the
    /// other schedules stay what they are.
    pub const WITH_DENIED_NAMESPACES: [Self; 16] = [
        Self::Create,
        Self::DenyNamespaces,
        Self::AllowNamespaces,
        Self::Delete,
        Self::EditDescription,
        Self::Rotate,
        Self::Replace,
        Self::Suspend,
        Self::Resume,
        Self::SetOrphan,
        Self::DeleteSecret,
        Self::EditSecret,
        Self::StripStored,
        Self::MakeSecretImmutable,
        Self::RevokeUpstream,
        Self::RewriteObject,
    ];

    pub const ALL: [Self; 46] = [
        Self::Create,
        Self::Delete,
        Self::EditDescription,
        Self::Rotate,
        Self::Replace,
        Self::Suspend,
        Self::Resume,
        Self::SetOrphan,
        Self::DeleteSecret,
        Self::EditSecret,
        Self::StripLabel,
        Self::StripOwner,
        Self::StripStored,
        Self::ForgeStored,
        Self::RevokeUpstream,
        Self::EditUpstream,
        Self::RestoreCopy,
        Self::DeleteIssuer,
        Self::CreateForeignSecret,
        Self::MakeSecretImmutable,
        Self::SetHold,
        Self::RotateAll,
        Self::ReplaceAll,
        Self::BreakIssuer,
        Self::RepairIssuer,
        Self::MoveIssuer,
        Self::MoveIssuerBack,
        Self::RegistryRejects,
        Self::RegistryGoesDown,
        Self::RegistryComesUp,
        Self::HideList,
        Self::ShowList,
        Self::ConfirmRevoked,
        Self::RequestResync,
        Self::AllowAdoption,
        Self::ChangeSecretType,
        Self::RestoreSecret,
        Self::ForgeCurrent,
        Self::ForgeRetiring,
        Self::RetireCurrent,
        Self::WipeStatus,
        Self::CopyStored,
        Self::RotateKey,
        Self::LoseKey,
        Self::RewriteObject,
        Self::RewriteSecret,
    ];

    /// Whether it affects every object. Then it is performed once, not once for each object.
    pub const fn affects_all(self) -> bool {
        matches!(
            self,
            Self::DeleteIssuer
                | Self::RotateAll
                | Self::ReplaceAll
                | Self::BreakIssuer
                | Self::RepairIssuer
                | Self::MoveIssuer
                | Self::MoveIssuerBack
                | Self::RegistryRejects
                | Self::RegistryGoesDown
                | Self::RegistryComesUp
                | Self::HideList
                | Self::ShowList
                | Self::RotateKey
                | Self::LoseKey
                | Self::DenyNamespaces
                | Self::AllowNamespaces
        )
    }

    /// Whether it is possible now.
    pub fn is_possible(self, world: &World, slot: usize) -> bool {
        if self.affects_all() {
            return slot == 0 && self.is_possible_for_all(world);
        }
        let here = &world.slots[slot];
        let object = here.object.as_ref();
        let alive = object.is_some_and(|object| !object.deleting);
        let secret = here.secret.as_ref();
        match self {
            Self::Create => object.is_none() && !world.issuer.deleting,
            // The operator cannot create its own Secret of that name later.
            Self::CreateForeignSecret => secret.is_none(),
            Self::MakeSecretImmutable => alive && secret.is_some_and(|secret| !secret.immutable && !secret.foreign),
            Self::ChangeSecretType => {
                alive && secret.is_some_and(|secret| !secret.foreign && secret.controller.is_some())
            }
            // A backup of the Secret is restored.
            Self::RestoreSecret => alive && former_secret(world, slot).is_some(),
            Self::AllowAdoption => secret.is_some_and(|secret| secret.controller.is_none() && !secret.adoptable),
            Self::RequestResync => alive,
            Self::ForgeCurrent | Self::ForgeRetiring => alive,
            Self::RetireCurrent | Self::WipeStatus => {
                alive && object.and_then(|object| object.status.as_ref()).is_some_and(|status| status.token.is_some())
            }
            Self::CopyStored => {
                let others = world.slots.iter().enumerate().filter(|(index, _)| *index != slot);
                let stored =
                    others.filter_map(|(_, other)| other.secret.as_ref()).any(|secret| secret.stored.is_some());
                alive && stored && secret.is_some_and(|secret| secret.stored.is_some() && !secret.foreign)
            }
            Self::SetHold => object.is_some_and(|object| !object.deleting && object.reissue),
            // If the object is deleted while it has no finalizer, its token is leaked.
            Self::Delete => object.is_some_and(|object| !object.deleting && !object.unprotected),
            Self::RewriteObject => alive && object.is_some_and(|object| object.finalizer),
            Self::RewriteSecret => alive && secret.is_some_and(|secret| secret.label.is_some() && is_recorded(here)),
            Self::EditDescription | Self::Rotate | Self::Replace => alive,
            Self::Suspend => object.is_some_and(|object| !object.deleting && !object.suspended),
            Self::Resume => object.is_some_and(|object| object.suspended),
            Self::SetOrphan => object.is_some_and(|object| object.revoke),
            // Without label and owner reference a Secret is not owned any more: that is only reported.
            Self::StripLabel => alive && secret.is_some_and(|secret| secret.controller.is_some()),
            Self::StripOwner => alive && secret.is_some_and(|secret| secret.label.is_some()),
            Self::EditSecret => alive && secret.is_some_and(|secret| secret.content.is_some()),
            Self::StripStored => alive && secret.is_some_and(|secret| secret.stored.is_some()),
            Self::DeleteSecret | Self::ForgeStored => alive && secret.is_some(),
            Self::RevokeUpstream | Self::EditUpstream => {
                let in_use = secret.and_then(|secret| secret.content);
                let observed = self == Self::RevokeUpstream || !world.config.list_denied;
                alive && in_use.is_some_and(|id| world.accepts_login(id)) && !world.config.keep_marker && observed
            }
            Self::ConfirmRevoked => world.config.list_denied && !unconfirmed_revocations(world, slot).is_empty(),
            // A backup of the object with its status is applied after the object was deleted.
            Self::RestoreCopy => object.is_none() && here.old_objects.iter().flatten().any(|old| old.status.is_some()),
            _ => false,
        }
    }

    fn is_possible_for_all(self, world: &World) -> bool {
        let issuer = &world.issuer;
        match self {
            Self::DeleteIssuer | Self::RotateAll | Self::ReplaceAll => !issuer.deleting,
            Self::BreakIssuer => !issuer.broken,
            Self::RepairIssuer => issuer.broken,
            Self::MoveIssuer => !issuer.moved,
            Self::MoveIssuerBack => issuer.moved,
            Self::RegistryRejects | Self::RegistryGoesDown => world.registry == RegistryState::Up,
            Self::RegistryComesUp => world.registry != RegistryState::Up,
            // Without a login check the list alone decides.
            Self::HideList => !world.hidden && !world.config.list_denied && world.config.login != LoginCheck::Disabled,
            Self::ShowList => world.hidden,
            // Once each: a key that is still needed is not removed.
            Self::RotateKey => world.config.keys.signing == 1,
            Self::LoseKey => world.config.keys.signing < 3,
            Self::DenyNamespaces => issuer.denied_since.is_none() && !issuer.deleting,
            Self::AllowNamespaces => issuer.denied_since.is_some(),
            _ => false,
        }
    }
}

/// Whether status names the existing Secret, which identifies it without label and owner reference.
fn is_recorded(here: &Slot) -> bool {
    let (Some(object), Some(secret)) = (&here.object, &here.secret) else { return false };
    let status = object.status.as_ref().filter(|status| status.uid.as_ref() == Some(&object.uid));
    let recorded = status.and_then(|status| status.secret.as_ref()).and_then(|secret| secret.uid.as_ref());
    recorded == Some(&secret.uid) && secret.controller.as_ref() == Some(&object.uid)
}

/// The object's tokens that are revoked in the portal, and whose revocation no annotation confirms yet.
pub fn unconfirmed_revocations(world: &World, slot: usize) -> Vec<String> {
    let Some(object) = &world.slots[slot].object else { return vec![] };
    let status = StatusView::of(&project_object(object, &world.config));
    let revoked = |id: &str| id.parse().is_ok_and(|id| !world.accepts_login(id));
    let named = status.tokens().into_iter().filter(|token| revoked(&token.id)).map(|token| token.id);
    named.filter(|id| !object.confirmed_revoked.contains(id)).collect()
}

/// An old version of the existing Secret, with another stored token.
pub fn former_secret(world: &World, slot: usize) -> Option<FakeSecret> {
    let here = &world.slots[slot];
    let current = here.secret.as_ref().filter(|secret| !secret.foreign && secret.controller.is_some())?;
    let mut old = here.old_secrets.iter().rev().flatten();
    old.find(|old| old.uid == current.uid && old.stored.is_some() && old.stored != current.stored).cloned()
}
