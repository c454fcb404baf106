//! Fixtures of the core's tests: an object at rest, and a new one. A test changes one thing and asserts what follows.

mod labels;
mod observations;
mod world;

pub use self::labels::label;
pub use self::observations::{
    apply, at_rest, at_rest_with, at_rest_with_issuer, at_rest_with_secret, change_issuer, deleting, new_object,
};
use super::model::login_result::LoginResult;
use super::model::token::{TokenRef, TokenRow};
pub use world::{World, login_content};

use super::actions::Outcome;
use super::model::foreign_login::UnusableLogin;
use super::model::issuer::{IssuerInfo, IssuerState};
use super::model::marker::{AttemptId, IssuerTag, Marker, Nonce};
use super::model::namespace_access::NamespaceAccess;
use super::model::object::{Object, Rotation};
use super::model::problem::Problem;
use super::model::problem::messages::issuer_problem;
use super::model::pull_secret::{Ownership, Provenance, Reservation, SecretMeta, StoredToken};
use super::model::request_cause::{Cause, RequestCause};
use super::model::request_history::RequestHistory;
use super::model::rotation_windows::RotationWindows;
use super::model::token_mac::{MacKeys, MacSubject, TokenRole, TokenSignature};
use super::observed::{Observed, UpstreamState};
use super::protocol::{ImportContent, SecretContent};
use super::status::{StatusContext, StatusEvent, next_status};
use crate::api::{LoginCheck, PortalType, Reason, RecordedPortal, RecordedSecret, RecordedToken, RetiringToken};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

pub const UID: &str = "uid-of-the-object";
pub const IDENTITY: &str = "me";
/// The longest time in which a response may still arrive.
pub const RESPONSE_DEADLINE: Duration = Duration::from_secs(100);
/// When the token at rest was requested; tests run one hour later, at [`now`].
pub const REQUESTED: i64 = 0;

/// A time, in seconds since the token at rest was requested.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + seconds).expect("a time")
}

pub fn now() -> Timestamp {
    at(3600)
}

pub fn attempt_id(number: u8) -> AttemptId {
    AttemptId::from_random(&[number; 16])
}

/// The attempt of the token at rest, and the one that a pass may make now.
pub fn first_attempt() -> AttemptId {
    attempt_id(1)
}

pub fn tag() -> IssuerTag {
    IssuerTag::of("uid-of-the-issuer")
}

pub fn marker(attempt: &AttemptId) -> Marker {
    Marker::new(tag(), Nonce::of(UID, attempt))
}

pub fn token_ref(id: &str) -> TokenRef {
    TokenRef { id: id.to_owned(), username: format!("tw-{id}") }
}

pub fn row(id: &str, description: &str) -> TokenRow {
    TokenRow { token: token_ref(id), description: description.to_owned(), expiration_time: None }
}

pub fn portal() -> RecordedPortal {
    RecordedPortal {
        kind: PortalType::Thinkwise,
        url: "https://portal".into(),
        scope: "tcp".into(),
        user: "k8s".into(),
    }
}

/// The operator's key, which is older than every object.
pub static KEYS: LazyLock<MacKeys> = LazyLock::new(|| MacKeys::new(&[7; 32], [], at(-10_000)).expect("keys"));

pub static NO_WINDOWS: LazyLock<RotationWindows> = LazyLock::new(RotationWindows::default);

pub fn keys() -> MacKeys {
    KEYS.clone()
}

pub fn mac(id: &str, role: TokenRole) -> String {
    keys().sign(MacSubject::of(UID, &portal(), &token_ref(id)), role)
}

/// A token in the Secret, as recorded by the operator.
pub fn stored_token(id: &str, attempt: AttemptId) -> StoredToken {
    let signature = TokenSignature { username: token_ref(id).username, mac: mac(id, TokenRole::Stored) };
    StoredToken {
        attempt_id: attempt,
        id: id.into(),
        request_cause: RequestCause::default(),
        provenance: provenance(),
        signature,
    }
}

pub fn provenance() -> Provenance {
    Provenance { portal: issuer_info().portal_hash(), requested_at: REQUESTED, expires_at: None, previous_id: None }
}

pub fn issuer_info() -> IssuerInfo {
    IssuerInfo {
        tag: tag(),
        portal: portal(),
        registries_hash: "registries".into(),
        config_hash: [0; 32],
        max_description_chars: None,
        response_deadline: RESPONSE_DEADLINE,
        deleting: false,
        has_finalizer: true,
        list_visible: true,
        can_edit: true,
        keep_marker: false,
        login_shared: false,
        projects: None,
        login_check: LoginCheck::Required,
        requested_annotations: BTreeMap::new(),
    }
}

pub fn not_ready() -> IssuerState {
    IssuerState::NotReady(issuer_problem(Reason::Unauthorized, "check the Secret"))
}

pub fn secret() -> SecretMeta {
    SecretMeta {
        uid: "uid-of-the-secret".into(),
        resource_version: "5".into(),
        ownership: Ownership::Ours,
        has_controller: true,
        owned_and_labeled: true,
        is_own: true,
        handed_over: false,
        reservation: None,
        reservation_age: Duration::ZERO,
        stored: Some(stored_token("17", first_attempt())),
        closed: false,
        registries_hash: Some("registries".into()),
    }
}

/// The Secret of an attempt before there is a token.
pub fn empty_secret() -> SecretMeta {
    SecretMeta { stored: None, ..secret() }
}

/// The same content, as an import reads it.
pub fn import_content(content: &SecretContent) -> ImportContent {
    match content {
        SecretContent::WrongType => ImportContent::WrongType,
        SecretContent::Immutable { .. } => ImportContent::Immutable,
        SecretContent::Login { username, .. } => ImportContent::Login { username: username.clone() },
        SecretContent::Empty => ImportContent::Unusable(UnusableLogin::None),
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it is restored where it may be missing")]
pub fn reservation(number: u8, identity: &str) -> Option<Reservation> {
    Some(Reservation { attempt_id: attempt_id(number), identity: identity.to_owned() })
}

pub fn recorded_secret() -> RecordedSecret {
    let secret = secret();
    let mac = Some(keys().sign_secret(UID, &secret.uid));
    RecordedSecret { name: "pull".into(), uid: Some(secret.uid), resource_version: Some(secret.resource_version), mac }
}

pub fn token(id: &str) -> RecordedToken {
    let nonce = Nonce::of(UID, &first_attempt()).to_string();
    RecordedToken {
        id: id.into(),
        username: format!("tw-{id}"),
        nonce,
        request_time: Time(at(REQUESTED)),
        expiration_time: None,
        mac: Some(mac(id, TokenRole::Current)),
    }
}

pub fn retiring(id: &str, due: Timestamp) -> RetiringToken {
    RetiringToken {
        id: id.into(),
        username: format!("tw-{id}"),
        revocation_time: Time(due),
        revoked_upstream: false,
        mac: Some(mac(id, TokenRole::Retiring)),
    }
}

pub fn request_cause(cause: Cause) -> RequestCause {
    RequestCause { cause, handles: BTreeMap::new() }
}

/// A token is stored, and its login was accepted.
pub fn token_stored(id: &str, cause: Cause) -> StatusEvent {
    token_stored_with(id, cause, LoginResult::Accepted)
}

pub fn token_stored_with(id: &str, cause: Cause, login: LoginResult) -> StatusEvent {
    let (token, portal, secret) = (token(id), portal(), recorded_secret());
    StatusEvent::TokenStored {
        token,
        portal,
        secret,
        request_cause: request_cause(cause),
        login_result: login,
        previous_id: None,
    }
}

pub fn problem(reason: Reason) -> Problem {
    Problem { reason, message: "something is in the way".into(), terminal: false }
}

pub fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub fn rotation_every(hours: u64, overlap_minutes: u64) -> Rotation {
    Rotation { interval: Duration::from_hours(hours), overlap: Duration::from_mins(overlap_minutes) }
}

/// What a registry says that rejects a login.
pub fn refused() -> LoginResult {
    LoginResult::Rejected("no".into())
}

/// What is known of a login while the registry is down.
pub fn unknown() -> LoginResult {
    LoginResult::Unknown("down".into())
}

/// The reason of an action that failed or that waits with a problem.
pub fn reported_reason(outcome: &Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Failed(problem) | Outcome::ReportFor(_, problem) => Some(problem.reason),
        _ => None,
    }
}
