//! What people may do meanwhile, and when.

use super::sight::see;
use super::world::{Registry, Sec, Slot, World};
use registry_token_operator::domain::observed::LoginMode;
use registry_token_operator::domain::recorded::recorded;

/// Something that a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Deed {
    Create,
    Delete,
    EditDescription,
    Rotate,
    Replace,
    Suspend,
    Resume,
    OrphanIt,
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
    CreateForeign,
    MakeImmutable,
    HoldIt,
    RotateAll,
    ReplaceAll,
    BreakIssuer,
    MendIssuer,
    MoveIssuer,
    MoveIssuerBack,
    RegistryRefuses,
    RegistryGoesDown,
    RegistryComesBack,
    HideList,
    ShowList,
    SayGone,
    LookCloser,
    HandOver,
    ChangeType,
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

impl Deed {
    pub const ALL: [Self; 46] = [
        Self::Create,
        Self::Delete,
        Self::EditDescription,
        Self::Rotate,
        Self::Replace,
        Self::Suspend,
        Self::Resume,
        Self::OrphanIt,
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
        Self::CreateForeign,
        Self::MakeImmutable,
        Self::HoldIt,
        Self::RotateAll,
        Self::ReplaceAll,
        Self::BreakIssuer,
        Self::MendIssuer,
        Self::MoveIssuer,
        Self::MoveIssuerBack,
        Self::RegistryRefuses,
        Self::RegistryGoesDown,
        Self::RegistryComesBack,
        Self::HideList,
        Self::ShowList,
        Self::SayGone,
        Self::LookCloser,
        Self::HandOver,
        Self::ChangeType,
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
    pub const fn is_for_all(self) -> bool {
        matches!(
            self,
            Self::DeleteIssuer
                | Self::RotateAll
                | Self::ReplaceAll
                | Self::BreakIssuer
                | Self::MendIssuer
                | Self::MoveIssuer
                | Self::MoveIssuerBack
                | Self::RegistryRefuses
                | Self::RegistryGoesDown
                | Self::RegistryComesBack
                | Self::HideList
                | Self::ShowList
                | Self::RotateKey
                | Self::LoseKey
        )
    }

    /// Whether it can be done now.
    pub fn possible(self, world: &World, slot: usize) -> bool {
        if self.is_for_all() {
            return slot == 0 && self.possible_for_all(world);
        }
        let here = &world.slots[slot];
        let object = here.object.as_ref();
        let alive = object.is_some_and(|object| !object.deleting);
        let secret = here.secret.as_ref();
        match self {
            Self::Create => object.is_none() && !world.issuer.deleting,
            // No Secret of ours can come to stand there later.
            Self::CreateForeign => secret.is_none(),
            Self::MakeImmutable => alive && secret.is_some_and(|secret| !secret.immutable && !secret.foreign),
            Self::ChangeType => alive && secret.is_some_and(|secret| !secret.foreign && secret.controller.is_some()),
            // What a backup puts back in place.
            Self::RestoreSecret => alive && former(world, slot).is_some(),
            Self::HandOver => secret.is_some_and(|secret| secret.controller.is_none() && !secret.handed),
            Self::LookCloser => alive,
            Self::ForgeCurrent | Self::ForgeRetiring => alive,
            Self::RetireCurrent | Self::WipeStatus => {
                alive && object.and_then(|object| object.status.as_ref()).is_some_and(|status| status.token.is_some())
            }
            Self::CopyStored => {
                let others = world.slots.iter().enumerate().filter(|(index, _)| *index != slot);
                let stored = others.filter_map(|(_, held)| held.secret.as_ref()).any(|held| held.stored.is_some());
                alive && stored && secret.is_some_and(|secret| secret.stored.is_some() && !secret.foreign)
            }
            Self::HoldIt => object.is_some_and(|object| !object.deleting && object.reissue),
            // Who deletes it in the very moment in which it is unprotected loses its token.
            Self::Delete => object.is_some_and(|object| !object.deleting && !object.unprotected),
            Self::RewriteObject => alive && object.is_some_and(|object| object.finalizer),
            Self::RewriteSecret => alive && secret.is_some_and(|secret| secret.label.is_some() && is_recorded(here)),
            Self::EditDescription | Self::Rotate | Self::Replace => alive,
            Self::Suspend => object.is_some_and(|object| !object.deleting && !object.suspended),
            Self::Resume => object.is_some_and(|object| object.suspended),
            Self::OrphanIt => object.is_some_and(|object| object.revoke),
            // Without both a Secret is not ours any more: that is said, and nothing else is done.
            Self::StripLabel => alive && secret.is_some_and(|secret| secret.controller.is_some()),
            Self::StripOwner => alive && secret.is_some_and(|secret| secret.label.is_some()),
            Self::EditSecret => alive && secret.is_some_and(|secret| secret.content.is_some()),
            Self::StripStored => alive && secret.is_some_and(|secret| secret.stored.is_some()),
            Self::DeleteSecret | Self::ForgeStored => alive && secret.is_some(),
            Self::RevokeUpstream | Self::EditUpstream => {
                let in_use = secret.and_then(|secret| secret.content);
                let seen = self == Self::RevokeUpstream || !world.setting.unlisted;
                alive && in_use.is_some_and(|id| world.lets_in(id)) && !world.setting.permanent && seen
            }
            Self::SayGone => world.setting.unlisted && !gone(world, slot).is_empty(),
            // A backup of an object with its status, applied where the object is gone.
            Self::RestoreCopy => object.is_none() && here.old_objects.iter().flatten().any(|old| old.status.is_some()),
            _ => false,
        }
    }

    fn possible_for_all(self, world: &World) -> bool {
        let issuer = &world.issuer;
        match self {
            Self::DeleteIssuer | Self::RotateAll | Self::ReplaceAll => !issuer.deleting,
            Self::BreakIssuer => !issuer.broken,
            Self::MendIssuer => issuer.broken,
            Self::MoveIssuer => !issuer.moved,
            Self::MoveIssuerBack => issuer.moved,
            Self::RegistryRefuses | Self::RegistryGoesDown => world.registry == Registry::Up,
            Self::RegistryComesBack => world.registry != Registry::Up,
            // Where the registry is not asked, the list alone counts, and is believed.
            Self::HideList => !world.hidden && !world.setting.unlisted && world.setting.login != LoginMode::Disabled,
            Self::ShowList => world.hidden,
            // Once each: a key that is still needed is not dropped.
            Self::RotateKey => world.setting.keys.signing == 1,
            Self::LoseKey => world.setting.keys.signing < 3,
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
pub fn gone(world: &World, slot: usize) -> Vec<String> {
    let Some(object) = &world.slots[slot].object else { return vec![] };
    let known = recorded(&see(object, &world.setting));
    let revoked = |id: &str| id.parse().is_ok_and(|id| !world.lets_in(id));
    let named = known.tokens().into_iter().filter(|token| revoked(&token.id)).map(|token| token.id);
    named.filter(|id| !object.gone.contains(id)).collect()
}

/// A former version of the Secret that is there, of which something else was noted.
pub fn former(world: &World, slot: usize) -> Option<Sec> {
    let here = &world.slots[slot];
    let now = here.secret.as_ref().filter(|now| !now.foreign && now.controller.is_some())?;
    let mut old = here.old_secrets.iter().rev().flatten();
    old.find(|old| old.uid == now.uid && old.stored.is_some() && old.stored != now.stored).cloned()
}
