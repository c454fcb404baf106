//! What people may do meanwhile, and when.

use super::projection::project_object;
use super::world::{FakeSecret, RegistryState, Slot, World};
use registry_token_operator::domain::model::status_view::StatusView;
use registry_token_operator::domain::observed::LoginMode;

/// Something that a person does.
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
    /// GitOps replaces the object: its finalizers and annotations go.
    RewriteObject,
    /// GitOps replaces the metadata of the Secret: its label and owner reference go.
    RewriteSecret,
}

impl UserAction {
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

    /// Whether it concerns every object; then it is done once, and not to each.
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
        )
    }

    /// Whether it can be done now.
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
            // No Secret of ours can come to stand there later.
            Self::CreateForeignSecret => secret.is_none(),
            Self::MakeSecretImmutable => alive && secret.is_some_and(|secret| !secret.immutable && !secret.foreign),
            Self::ChangeSecretType => {
                alive && secret.is_some_and(|secret| !secret.foreign && secret.controller.is_some())
            }
            // What a backup puts back in place.
            Self::RestoreSecret => alive && former_secret(world, slot).is_some(),
            Self::AllowAdoption => secret.is_some_and(|secret| secret.controller.is_none() && !secret.adoptable),
            Self::RequestResync => alive,
            Self::ForgeCurrent | Self::ForgeRetiring => alive,
            Self::RetireCurrent | Self::WipeStatus => {
                alive && object.and_then(|object| object.status.as_ref()).is_some_and(|status| status.token.is_some())
            }
            Self::CopyStored => {
                let others = world.slots.iter().enumerate().filter(|(index, _)| *index != slot);
                let stored = others.filter_map(|(_, held)| held.secret.as_ref()).any(|held| held.stored.is_some());
                alive && stored && secret.is_some_and(|secret| secret.stored.is_some() && !secret.foreign)
            }
            Self::SetHold => object.is_some_and(|object| !object.deleting && object.reissue),
            // Who deletes it in the very moment in which it is unprotected loses its token.
            Self::Delete => object.is_some_and(|object| !object.deleting && !object.unprotected),
            Self::RewriteObject => alive && object.is_some_and(|object| object.finalizer),
            Self::RewriteSecret => alive && secret.is_some_and(|secret| secret.label.is_some() && is_recorded(here)),
            Self::EditDescription | Self::Rotate | Self::Replace => alive,
            Self::Suspend => object.is_some_and(|object| !object.deleting && !object.suspended),
            Self::Resume => object.is_some_and(|object| object.suspended),
            Self::SetOrphan => object.is_some_and(|object| object.revoke),
            // Without both a Secret is not ours any more: that is said, and nothing else is done.
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
            // A backup of an object with its status, applied where the object is gone.
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
            // Where the registry is not asked, the list alone counts, and is believed.
            Self::HideList => !world.hidden && !world.config.list_denied && world.config.login != LoginMode::Disabled,
            Self::ShowList => world.hidden,
            // Once each: a key that is still needed is not dropped.
            Self::RotateKey => world.config.keys.signing == 1,
            Self::LoseKey => world.config.keys.signing < 3,
            _ => false,
        }
    }
}

/// Whether status names the Secret that is there: without label and owner it is known by that.
fn is_recorded(here: &Slot) -> bool {
    let (Some(object), Some(secret)) = (&here.object, &here.secret) else { return false };
    let status = object.status.as_ref().filter(|status| status.uid.as_ref() == Some(&object.uid));
    let recorded = status.and_then(|status| status.secret.as_ref()).and_then(|secret| secret.uid.as_ref());
    recorded == Some(&secret.uid) && secret.controller.as_ref() == Some(&object.uid)
}

/// The tokens that an object names and the portal has revoked, of which it does not say so yet.
pub fn unconfirmed_revocations(world: &World, slot: usize) -> Vec<String> {
    let Some(object) = &world.slots[slot].object else { return vec![] };
    let known = StatusView::of(&project_object(object, &world.config));
    let revoked = |id: &str| id.parse().is_ok_and(|id| !world.accepts_login(id));
    let named = known.tokens().into_iter().filter(|token| revoked(&token.id)).map(|token| token.id);
    named.filter(|id| !object.confirmed_revoked.contains(id)).collect()
}

/// A former version of the Secret that is there, of which something else was noted.
pub fn former_secret(world: &World, slot: usize) -> Option<FakeSecret> {
    let here = &world.slots[slot];
    let now = here.secret.as_ref().filter(|now| !now.foreign && now.controller.is_some())?;
    let mut old = here.old_secrets.iter().rev().flatten();
    old.find(|old| old.uid == now.uid && old.stored.is_some() && old.stored != now.stored).cloned()
}
