//! Operators that are broken on purpose: each skips one thing that the protocol asks for. A run that
//! does not notice proves nothing.

use super::world::{World, tag};
use registry_token_operator::domain::marker::{Marker, Nonce};

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
    JudgesAStoredTokenOnACachedObject,
    CountsATokenAsLostOnACachedSecret,
    ReservesForAnObjectThatIsGone,
    HandlesWhatItDidNotHandle,
    WritesStatusUnguarded,
    TrustsTheLabelAlone,
    NeverAudits,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::RequestsBeforeTheReservation,
        Self::CommitsUnguarded,
        Self::RevokesBeforeTheReservationIsDropped,
        Self::ReadsObjectsBeforeSecrets,
        Self::BelievesAShrunkenList,
        Self::RepeatsAfterATimeOut,
        Self::AdoptsByAForgedAnnotation,
        Self::NeverWaitsForAnother,
        Self::ReleasesTheIssuerWithoutLooking,
        Self::JudgesAStoredTokenOnACachedObject,
        Self::CountsATokenAsLostOnACachedSecret,
        Self::ReservesForAnObjectThatIsGone,
        Self::HandlesWhatItDidNotHandle,
        Self::WritesStatusUnguarded,
        Self::TrustsTheLabelAlone,
        Self::NeverAudits,
    ];
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
