//! The events that change a status.

use crate::api::{Reason, RecordedPortal, RecordedSecret, RecordedToken, RetiringToken};
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::problem::Problem;
use crate::domain::model::request_cause::RequestCause;
use crate::domain::model::token::TokenRef;
use crate::domain::{argocd_repository, service_accounts};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "short-lived, and only one exists at a time")]
pub enum StatusEvent {
    /// A new token is stored; the previous one becomes a retiring token.
    TokenStored {
        token: RecordedToken,
        /// The portal that contains it.
        portal: RecordedPortal,
        /// The Secret as written.
        secret: RecordedSecret,
        request_cause: RequestCause,
        login_result: LoginResult,
        /// Id of the token that status named when this one was requested. If that token is not proved, it stays
        /// recorded as a retiring token.
        previous_id: Option<String>,
    },
    /// The current token is proved to belong to this object, at this portal.
    TokenVerified(RecordedPortal),
    /// The Secret was read, and contains the current token for every registry. If it records when that token expires, that
    /// time counts: others may have changed the one in status.
    SecretInspected(RecordedSecret, Option<Time>),
    /// No change except that future timestamps are set to the current time, as with every event.
    TimestampsClamped,
    /// A rotation did not begin in its window. Its next start is computed, as with every event.
    WindowMissed,
    /// The issuer's registries changed since the Secret was written: none of them has accepted the login yet.
    RegistriesChanged,
    /// The login of the current token was checked.
    LoginChecked(LoginResult),
    ProblemFound {
        problem: Problem,
        /// The Secret still contains the current token: pods can pull, and `Ready` stays unchanged.
        pods_can_pull: bool,
    },
    SecretLost(String),
    /// Another user revoked the current token in the portal.
    RevokedUpstream {
        problem: Problem,
        /// It is the second time within 24 hours.
        again: bool,
    },
    /// The current token, which counted as revoked, is there.
    NotRevoked,
    /// The portal shows the description.
    DescriptionSynced,
    /// The portal does not show the description, for this reason.
    DescriptionNotSynced(Reason, String),
    /// No change except that the condition of the namespace is set, as with every event.
    NamespaceChecked,
    /// The issuer does not serve the namespace any more, and the grace period is over: every token of the object is due
    /// for revocation.
    NamespaceDenied,
    /// These tokens are revoked. The current one is among them only if the object is being deleted.
    TokensRevoked(Vec<TokenRef>),
    /// The user confirmed that these retiring tokens without proof are revoked, by id.
    RevocationsConfirmed(Vec<String>),
    /// A token without proof may still belong to this object: it stays recorded, and is reported.
    TokenUnverified(TokenRef),
    /// The `ServiceAccount`s were checked, or are about to be changed.
    ServiceAccountsChecked(service_accounts::Report),
    /// The Secret for Argo CD was checked, or is about to be created.
    ArgoCDRepositoryChecked(argocd_repository::Report),
    /// A token that nothing else names must be revoked. It is proved to belong to this object.
    TokenRetiring(RetiringToken),
}
