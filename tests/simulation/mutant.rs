//! Operators that are broken on purpose: each skips one thing that the protocol asks for. A run that
//! does not notice proves nothing.

use super::deed::Deed;
use super::setting::Setting;
use super::world::{World, tag};
use registry_token_operator::domain::effect::Named;
use registry_token_operator::domain::marker::{Marker, Nonce};
use registry_token_operator::domain::object::Object;
use registry_token_operator::domain::observed::LoginMode;
use registry_token_operator::domain::token_mac::{Role, Subject};

/// What an operator does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    RequestsBeforeTheReservation,
    CommitsUnguarded,
    RevokesBeforeTheReservationIsDropped,
    ReadsObjectsBeforeSecrets,
    BelievesAShrunkenList,
    RepeatsAfterATimeOut,
    AdoptsByAForgedAnnotation,
    NeverWaitsForAnother,
    ReleasesTheIssuerWithoutLooking,
    CountsATokenAsLostOnACachedSecret,
    ReservesForAnObjectThatIsGone,
    HandlesWhatItDidNotHandle,
    WritesStatusUnguarded,
    TrustsTheLabelAlone,
    NeverAudits,
    AsksForATokenOnEveryEdit,
    LetsRetiringTokensLive,
    BelievesWithoutAMac,
    TakesAMacOfAnotherObject,
    TakesAMacOfAnotherRole,
    LeavesTheFinalizerOff,
    ForgetsItsRequests,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::RequestsBeforeTheReservation,
        Self::CommitsUnguarded,
        Self::RevokesBeforeTheReservationIsDropped,
        Self::ReadsObjectsBeforeSecrets,
        Self::BelievesAShrunkenList,
        Self::RepeatsAfterATimeOut,
        Self::AdoptsByAForgedAnnotation,
        Self::NeverWaitsForAnother,
        Self::ReleasesTheIssuerWithoutLooking,
        Self::CountsATokenAsLostOnACachedSecret,
        Self::ReservesForAnObjectThatIsGone,
        Self::HandlesWhatItDidNotHandle,
        Self::WritesStatusUnguarded,
        Self::TrustsTheLabelAlone,
        Self::NeverAudits,
        Self::AsksForATokenOnEveryEdit,
        Self::LetsRetiringTokensLive,
        Self::BelievesWithoutAMac,
        Self::TakesAMacOfAnotherObject,
        Self::TakesAMacOfAnotherRole,
        Self::LeavesTheFinalizerOff,
        Self::ForgetsItsRequests,
    ];
}

impl Mutant {
    /// Some faults show only where several things meet: then a schedule is made of those alone.
    pub const fn focus(self, setting: &mut Setting) {
        match self {
            Self::ReadsObjectsBeforeSecrets => {
                setting.deeds = &[Deed::Create, Deed::Rotate];
                (setting.operators, setting.objects, setting.people) = (2, 1, 4);
                (setting.faults, setting.crashes, setting.ticks) = (0, 0, 0);
            }
            Self::ReleasesTheIssuerWithoutLooking => {
                setting.deeds = &[Deed::Create, Deed::DeleteIssuer];
                (setting.operators, setting.objects, setting.people, setting.settled) = (1, 1, 2, true);
            }
            Self::TrustsTheLabelAlone => {
                setting.deeds = &[Deed::Create, Deed::StripLabel];
                (setting.objects, setting.people) = (1, 2);
            }
            Self::BelievesWithoutAMac | Self::TakesAMacOfAnotherObject => {
                setting.deeds = &[Deed::Create, Deed::ForgeCurrent, Deed::ForgeRetiring, Deed::Delete];
                (setting.objects, setting.people, setting.settled) = (2, 3, true);
            }
            Self::TakesAMacOfAnotherRole => {
                setting.deeds = &[Deed::Create, Deed::RetireCurrent];
                (setting.objects, setting.people, setting.settled) = (1, 2, true);
            }
            Self::AdoptsByAForgedAnnotation => {
                setting.deeds = &[Deed::Create, Deed::ForgeStored, Deed::Delete];
                setting.people = 4;
            }
            Self::HandlesWhatItDidNotHandle => {
                setting.deeds = &[Deed::Create, Deed::Rotate, Deed::Replace];
                setting.people = 4;
            }
            Self::BelievesAShrunkenList => {
                // A login check would speak for the tokens that the list lacks.
                setting.login = LoginMode::Disabled;
                (setting.settled, setting.operators, setting.objects) = (true, 1, 6);
                (setting.faults, setting.crashes, setting.people) = (1, 0, 0);
            }
            Self::LeavesTheFinalizerOff => {
                setting.deeds = &[Deed::Create, Deed::RewriteObject, Deed::Delete];
                (setting.objects, setting.people, setting.settled) = (1, 3, true);
            }
            _ => {}
        }
    }
}

impl Mutant {
    /// Has what the status says proved, as one who checks its MACs badly would believe it.
    pub fn believe(self, seen: &mut Object) {
        if !matches!(self, Self::BelievesWithoutAMac | Self::TakesAMacOfAnotherObject | Self::TakesAMacOfAnotherRole) {
            return;
        }
        let (uid, keys) = (seen.uid.clone(), seen.keys.clone());
        let Some(status) = &mut seen.status else { return };
        let Some(portal) = status.portal.clone() else { return };
        let check = |token: Named, role, mac: &mut Option<String>| {
            let valid = |uid: &str, role| {
                mac.as_ref().is_some_and(|mac| keys.verify(Subject::of(uid, &portal, &token), role, mac))
            };
            let believed = match self {
                Self::BelievesWithoutAMac => true,
                Self::TakesAMacOfAnotherObject => (1..40).any(|number| valid(&format!("o{number}"), role)),
                _ => [Role::Current, Role::Retiring, Role::Stored].into_iter().any(|role| valid(&uid, role)),
            };
            if believed {
                *mac = Some(keys.sign(Subject::of(&uid, &portal, &token), role));
            }
        };
        if let Some(token) = &mut status.token {
            check(Named::from(&*token), Role::Current, &mut token.mac);
        }
        for token in &mut status.retiring {
            check(Named::from(&*token), Role::Retiring, &mut token.mac);
        }
    }
}

/// The marks of all that is stored anywhere: with these in every row, every annotation proves itself.
pub fn every_mark(world: &World) -> String {
    let mut marks = String::new();
    for slot in &world.slots {
        let (Some(object), Some(secret)) = (&slot.object, &slot.secret) else { continue };
        if let Some(stored) = &secret.stored {
            marks += &Marker::new(tag(), Nonce::of(&object.uid, &stored.attempt)).to_string();
        }
    }
    marks
}
