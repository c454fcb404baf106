//! What the core's tests start from: an object at rest, and a new one. A test changes one thing about
//! it and says what follows.

mod words;
mod world;

pub use words::word;
pub use world::{World, login};

use super::cause::{Cause, Errand};
use super::effect::{Named, Row, Verdict};
use super::fault::Fault;
use super::marker::{Attempt, IssuerTag, Marker, Nonce};
use super::object::{Object, Rotation};
use super::observed::{IssuerFacts, IssuerView, Listed, LoginMode, Observed};
use super::pull_secret::{Origin, Ownership, Reservation, SecretMeta, Stored};
use super::request_backoff::RequestHistory;
use super::status::{Fact, Saying, next};
use super::token_mac::{MacKeys, Role, Seal, Subject};
use crate::api::{PortalType, Reason, RecordedPortal, RecordedSecret, RecordedToken, RetiringToken};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

pub const UID: &str = "uid-of-the-object";
pub const ME: &str = "me";
/// Longest time that an answer may take.
pub const LONGEST: Duration = Duration::from_secs(100);
/// When the token at rest was requested; tests run an hour later, at [`now`].
pub const REQUESTED: i64 = 0;

/// A time, in seconds since the token at rest was requested.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + seconds).expect("a time")
}

pub fn now() -> Timestamp {
    at(3600)
}

pub fn attempt(number: u8) -> Attempt {
    Attempt::from_random(&[number; 16])
}

/// The attempt that got the token at rest, and the one that a pass may make now.
pub fn former() -> Attempt {
    attempt(1)
}

pub fn tag() -> IssuerTag {
    IssuerTag::of("uid-of-the-issuer")
}

/// The mark of an attempt for the object.
pub fn mark(attempt: &Attempt) -> Marker {
    Marker::new(tag(), Nonce::of(UID, attempt))
}

pub fn named(id: &str) -> Named {
    Named { id: id.to_owned(), username: format!("tw-{id}") }
}

pub fn row(id: &str, description: &str) -> Row {
    Row { token: named(id), description: description.to_owned() }
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

pub fn keys() -> MacKeys {
    KEYS.clone()
}

/// The MAC of a token of the object in a role.
pub fn mac(id: &str, role: Role) -> String {
    keys().sign(Subject::of(UID, &portal(), &named(id)), role)
}

/// A token in the Secret, as the operator noted it.
pub fn note_of(id: &str, attempt: Attempt) -> Stored {
    let seal = Seal { username: named(id).username, mac: mac(id, Role::Stored) };
    Stored { attempt, id: id.into(), errand: Errand::default(), origin: origin(), seal }
}

pub fn origin() -> Origin {
    Origin { portal: facts().home(), asked: REQUESTED, after: None }
}

pub fn facts() -> IssuerFacts {
    IssuerFacts {
        tag: tag(),
        portal: portal(),
        registries: "registries".into(),
        inputs: [0; 32],
        description_max: None,
        longest_answer: LONGEST,
        deleting: false,
        held: true,
        list_visible: true,
        permanent: false,
        login: LoginMode::Required,
        asked: BTreeMap::new(),
    }
}

pub fn not_ready() -> IssuerView {
    IssuerView::NotReady { reason: Reason::Unauthorised, message: "check the Secret".into() }
}

pub fn secret() -> SecretMeta {
    SecretMeta {
        uid: "uid-of-the-secret".into(),
        resource_version: "5".into(),
        ownership: Ownership::Ours,
        controlled: true,
        tied: true,
        claimed: true,
        reservation: None,
        reservation_seen: Duration::ZERO,
        stored: Some(note_of("17", former())),
        closed: false,
        registries: Some("registries".into()),
    }
}

/// As an attempt leaves it before there is a token.
pub fn empty_secret() -> SecretMeta {
    SecretMeta { stored: None, ..secret() }
}

#[allow(clippy::unnecessary_wraps, reason = "it is put where there may be none")]
pub fn reserved(number: u8, holder: &str) -> Option<Reservation> {
    Some(Reservation { attempt: attempt(number), holder: holder.to_owned() })
}

pub fn recorded_secret() -> RecordedSecret {
    let secret = secret();
    let mac = Some(keys().sign_secret(UID, &secret.uid));
    RecordedSecret { name: "pull".into(), uid: Some(secret.uid), resource_version: Some(secret.resource_version), mac }
}

pub fn token(id: &str) -> RecordedToken {
    let nonce = Nonce::of(UID, &former()).to_string();
    RecordedToken {
        id: id.into(),
        username: format!("tw-{id}"),
        nonce,
        request_time: Time(at(REQUESTED)),
        expiration_time: None,
        mac: Some(mac(id, Role::Current)),
    }
}

pub fn retiring(id: &str, due: Timestamp) -> RetiringToken {
    RetiringToken {
        id: id.into(),
        username: format!("tw-{id}"),
        revocation_time: Time(due),
        revoked_upstream: false,
        mac: Some(mac(id, Role::Retiring)),
    }
}

pub fn errand(cause: Cause) -> Errand {
    Errand { cause, handles: BTreeMap::new() }
}

/// A token is stored, and was let in.
pub fn stored(id: &str, cause: Cause) -> Fact {
    stored_with(id, cause, Verdict::Accepted)
}

pub fn stored_with(id: &str, cause: Cause, login: Verdict) -> Fact {
    let (token, portal, secret) = (token(id), portal(), recorded_secret());
    Fact::TokenStored { token, portal, secret, errand: errand(cause), login, after: None }
}

pub fn fault(reason: Reason) -> Fault {
    Fault { reason, message: "something is in the way".into(), stalled: false }
}

pub fn asked(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub fn every(hours: u64, overlap_minutes: u64) -> Rotation {
    Rotation { interval: Duration::from_hours(hours), overlap: Duration::from_mins(overlap_minutes) }
}

/// An object whose finalizer is on and that has nothing yet.
pub fn new() -> Observed {
    let object = Object {
        uid: UID.into(),
        version: "1".into(),
        created: at(-1000),
        generation: 1,
        deleting: false,
        finalizer: true,
        description: "prod".into(),
        secret_name: "pull".into(),
        issuer: "ClusterTokenIssuer default".into(),
        rotation: None,
        suspended: false,
        reissue: true,
        revoke: true,
        asked: BTreeMap::new(),
        gone: vec![],
        status: None,
        keys: keys(),
    };
    Observed {
        now: now(),
        object,
        secret: None,
        issuer: IssuerView::Ready(facts()),
        holder: ME.into(),
        leads: false,
        listed: Listed::Unknown,
        look_closer: false,
        attempt: attempt(2),
        shown: None,
        vain: vec![],
        kept: None,
        revoked: vec![],
        recheck: crate::domain::observed::Recheck::No,
        edit_retry: None,
        requests: RequestHistory::default(),
    }
}

/// An object at rest: everything is as it should be.
pub fn at_rest() -> Observed {
    let mut seen = Observed { secret: Some(secret()), now: at(REQUESTED), ..new() };
    tell(&mut seen, stored("17", Cause::First));
    tell(&mut seen, Fact::DescriptionSynced);
    Observed { now: now(), ..seen }
}

/// At rest, but for this.
pub fn but(change: impl FnOnce(&mut Observed)) -> Observed {
    let mut seen = at_rest();
    change(&mut seen);
    seen
}

/// At rest, but for this about its Secret.
pub fn but_secret(change: impl FnOnce(&mut SecretMeta)) -> Observed {
    but(|seen| change(seen.secret.as_mut().expect("a Secret")))
}

/// At rest, but for this about its issuer.
pub fn but_issuer(change: impl FnOnce(&mut IssuerFacts)) -> Observed {
    but(|seen| of_issuer(seen, change))
}

pub fn of_issuer(seen: &mut Observed, change: impl FnOnce(&mut IssuerFacts)) {
    let mut facts = seen.facts().cloned().unwrap_or_else(facts);
    change(&mut facts);
    seen.issuer = IssuerView::Ready(facts);
}

/// Says it in the object's status.
pub fn tell(seen: &mut Observed, fact: Fact) {
    seen.object.status = Some(next(seen.object.status.as_ref(), &Saying::of(seen), fact));
}

/// The object goes.
pub fn going(mut seen: Observed) -> Observed {
    seen.object.deleting = true;
    seen
}
