//! Mutants: operators with one deliberate fault, which the simulation must detect. Each violates one rule of the
//! protocol.

use super::action::UserAction;
use super::config::SimulationConfig;
use super::portal_traits::PortalTraits;
use super::world::{World, tag};
use registry_token_operator::api::LoginCheck;
use registry_token_operator::domain::model::marker::{AttemptId, Marker, Nonce};
use registry_token_operator::domain::model::object::Object;
use registry_token_operator::domain::model::token::TokenRef;
use registry_token_operator::domain::model::token_mac::{MacSubject, TokenRole};

/// The deliberate fault of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    RequestsBeforeReservation,
    CommitsUnguarded,
    RevokesBeforeClearingReservation,
    ReadsObjectsBeforeSecrets,
    TrustsShrunkList,
    RetriesAfterTimeout,
    AdoptsForgedAnnotation,
    IgnoresOtherReservation,
    FinalizesIssuerUnchecked,
    UsesCachedSecretForLoss,
    ReservesForDeletedObject,
    AcksUnhandledAnnotations,
    WritesStatusUnguarded,
    TrustsLabelAlone,
    NeverAudits,
    RequestsTokenOnEveryEdit,
    NeverRevokesRetiring,
    TrustsStatusWithoutMac,
    AcceptsMacOfAnotherObject,
    AcceptsMacOfAnotherRole,
    OmitsFinalizer,
    ForgetsRequests,
    RevokesDeniedFromCache,
    IgnoresGracePeriod,
    IdentifiesByUsername,
    TreatsDuplicateAsRejection,
    RepeatsUnderAnotherName,
    IgnoresExpiry,
}

impl Mutant {
    /// All mutants.
    pub const ALL: [Self; 28] = [
        Self::RequestsBeforeReservation,
        Self::CommitsUnguarded,
        Self::RevokesBeforeClearingReservation,
        Self::ReadsObjectsBeforeSecrets,
        Self::TrustsShrunkList,
        Self::RetriesAfterTimeout,
        Self::AdoptsForgedAnnotation,
        Self::IgnoresOtherReservation,
        Self::FinalizesIssuerUnchecked,
        Self::UsesCachedSecretForLoss,
        Self::ReservesForDeletedObject,
        Self::AcksUnhandledAnnotations,
        Self::WritesStatusUnguarded,
        Self::TrustsLabelAlone,
        Self::NeverAudits,
        Self::RequestsTokenOnEveryEdit,
        Self::NeverRevokesRetiring,
        Self::TrustsStatusWithoutMac,
        Self::AcceptsMacOfAnotherObject,
        Self::AcceptsMacOfAnotherRole,
        Self::OmitsFinalizer,
        Self::ForgetsRequests,
        Self::RevokesDeniedFromCache,
        Self::IgnoresGracePeriod,
        Self::IdentifiesByUsername,
        Self::TreatsDuplicateAsRejection,
        Self::RepeatsUnderAnotherName,
        Self::IgnoresExpiry,
    ];
}

impl Mutant {
    /// Some faults have an effect only if several actions coincide. Then the schedules consist of those actions alone.
    pub fn focus(self, config: &mut SimulationConfig) {
        match self {
            Self::ReadsObjectsBeforeSecrets => {
                config.actions = &[UserAction::Create, UserAction::Rotate];
                (config.operators, config.objects, config.user_actions) = (2, 1, 4);
                (config.faults, config.crashes, config.ticks) = (0, 0, 0);
            }
            Self::FinalizesIssuerUnchecked => {
                config.actions = &[UserAction::Create, UserAction::DeleteIssuer];
                (config.operators, config.objects, config.user_actions, config.start_at_rest) = (1, 1, 2, true);
            }
            Self::TrustsLabelAlone => {
                config.actions = &[UserAction::Create, UserAction::StripLabel];
                (config.objects, config.user_actions) = (1, 2);
            }
            Self::TrustsStatusWithoutMac | Self::AcceptsMacOfAnotherObject => {
                config.actions =
                    &[UserAction::Create, UserAction::ForgeCurrent, UserAction::ForgeRetiring, UserAction::Delete];
                (config.objects, config.user_actions, config.start_at_rest) = (2, 3, true);
            }
            Self::AcceptsMacOfAnotherRole => {
                config.actions = &[UserAction::Create, UserAction::RetireCurrent];
                (config.objects, config.user_actions, config.start_at_rest) = (1, 2, true);
            }
            Self::AdoptsForgedAnnotation => {
                config.actions = &[UserAction::Create, UserAction::ForgeStored, UserAction::Delete];
                config.user_actions = 4;
            }
            Self::AcksUnhandledAnnotations => {
                config.actions = &[UserAction::Create, UserAction::Rotate, UserAction::Replace];
                config.user_actions = 4;
            }
            Self::TrustsShrunkList => {
                // A login check would show that the tokens that the list lacks still exist.
                config.login = LoginCheck::Disabled;
                (config.start_at_rest, config.operators, config.objects) = (true, 1, 6);
                (config.faults, config.crashes, config.user_actions) = (1, 0, 0);
            }
            Self::OmitsFinalizer => {
                config.actions = &[UserAction::Create, UserAction::RewriteObject, UserAction::Delete];
                (config.objects, config.user_actions, config.start_at_rest) = (1, 3, true);
            }
            Self::RevokesDeniedFromCache | Self::IgnoresGracePeriod => {
                config.actions = &UserAction::WITH_DENIED_NAMESPACES;
                (config.user_actions, config.ticks, config.start_at_rest) = (5, 4, true);
            }
            Self::IdentifiesByUsername | Self::RepeatsUnderAnotherName => config.use_portal(PortalTraits::GITEA),
            Self::TreatsDuplicateAsRejection => {
                config.use_portal(PortalTraits::GITEA);
                (config.operators, config.faults) = (1, 1);
            }
            Self::IgnoresExpiry => {
                config.use_portal(PortalTraits::HARBOR);
                config.ticks = 4;
            }
            _ => {}
        }
    }
}

impl Mutant {
    /// Signs the tokens in status that a faulty MAC check would accept.
    pub fn forge_proof(self, observed: &mut Object) {
        if !matches!(
            self,
            Self::TrustsStatusWithoutMac | Self::AcceptsMacOfAnotherObject | Self::AcceptsMacOfAnotherRole
        ) {
            return;
        }
        let (uid, keys) = (observed.uid.clone(), observed.keys.clone());
        let Some(status) = &mut observed.status else { return };
        let Some(portal) = status.portal.clone() else { return };
        let check = |token: TokenRef, role, mac: &mut Option<String>| {
            let valid = |uid: &str, role| {
                mac.as_ref().is_some_and(|mac| keys.verify(MacSubject::of(uid, &portal, &token), role, mac))
            };
            let accepted = match self {
                Self::TrustsStatusWithoutMac => true,
                Self::AcceptsMacOfAnotherObject => (1..40).any(|number| valid(&format!("o{number}"), role)),
                _ => [TokenRole::Current, TokenRole::Retiring, TokenRole::Stored]
                    .into_iter()
                    .any(|role| valid(&uid, role)),
            };
            if accepted {
                *mac = Some(keys.sign(MacSubject::of(&uid, &portal, &token), role));
            }
        };
        if let Some(token) = &mut status.token {
            check(TokenRef::from(&*token), TokenRole::Current, &mut token.mac);
        }
        for token in &mut status.retiring {
            check(TokenRef::from(&*token), TokenRole::Retiring, &mut token.mac);
        }
    }
}

/// The description of an attempt that nobody reserved.
pub fn another_name() -> String {
    Marker::new(tag(), Nonce::of("another", &AttemptId::from_random(&[8; 16]))).append_to("another")
}

/// The markers of all stored tokens. With these in every row, every annotation is accepted.
pub fn all_markers(world: &World) -> String {
    let mut markers = String::new();
    for slot in &world.slots {
        let (Some(object), Some(secret)) = (&slot.object, &slot.secret) else { continue };
        if let Some(stored) = &secret.stored {
            markers += &Marker::new(tag(), Nonce::of(&object.uid, &stored.attempt_id)).to_string();
        }
    }
    markers
}
