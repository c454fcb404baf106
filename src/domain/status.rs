//! The one place where a status is computed.

use super::attempt::Fault;
use super::observed::Recorded;
use crate::api::{
    ConditionType, Reason, RecordedPortal, RecordedSecret, RecordedToken, RegistryTokenStatus, RetiringToken,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// What is to be said of an object.
#[derive(Clone, Debug)]
pub struct Saying<'a> {
    /// UID of the object.
    pub uid: &'a str,
    /// `metadata.generation`.
    pub generation: i64,
    /// Name of its Secret.
    pub secret_name: &'a str,
    /// The API server's time.
    pub now: Timestamp,
}

/// A fact that changes a status.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A new token is stored; the former one is to be revoked.
    TokenStored {
        /// The token.
        token: RecordedToken,
        /// Where it lives.
        portal: RecordedPortal,
        /// The Secret as written.
        secret: RecordedSecret,
    },
    /// The Secret was read, and holds the current token for every registry.
    SecretInOrder(RecordedSecret),
    /// Something stands in the way.
    Hindered {
        /// What.
        fault: Fault,
        /// The Secret still holds the current token: pods can pull, and `Ready` stays as it is.
        working: bool,
    },
    /// The Secret lost its token.
    SecretLost(String),
    /// The portal shows the description.
    DescriptionSynced,
    /// The portal refused the description.
    DescriptionRefused(String),
    /// Retiring tokens, by username, that are revoked.
    Revoked(Vec<String>),
    /// A token that nothing else names is to be revoked.
    Retiring(RetiringToken),
}

/// The status that follows. Equal to the former one where nothing changed, so that it is not written.
#[must_use]
pub fn next(former: Option<&RegistryTokenStatus>, saying: &Saying<'_>, fact: Fact) -> RegistryTokenStatus {
    // A status of another UID speaks of another object's tokens.
    let own = former.filter(|status| status.uid.as_deref() == Some(saying.uid));
    let mut status = own.cloned().unwrap_or_default();
    status.uid = Some(saying.uid.to_owned());
    status.observed_generation = Some(saying.generation);
    if status.secret.is_none() {
        status.secret = Some(RecordedSecret { name: saying.secret_name.to_owned(), ..RecordedSecret::default() });
    }
    apply(&mut status, saying, fact);
    status
}

fn apply(status: &mut RegistryTokenStatus, saying: &Saying<'_>, fact: Fact) {
    match fact {
        Fact::TokenStored { token, portal, secret } => {
            retire_former(status, &token, saying.now);
            status.token = Some(token);
            status.portal = Some(portal);
            status.secret = Some(secret);
            ready(status, saying);
            set(
                status,
                saying,
                ConditionType::DescriptionSynced,
                "False",
                Reason::EditPending,
                "the description is edited next",
            );
        }
        Fact::SecretInOrder(secret) => {
            status.secret = Some(secret);
            ready(status, saying);
        }
        Fact::Hindered { fault, working } => hindered(status, saying, &fault, working),
        Fact::SecretLost(message) => {
            set(status, saying, ConditionType::Ready, "False", Reason::SecretLost, &message);
            progress(status, saying, Some((ConditionType::Reconciling, Reason::SecretLost, &message)));
        }
        Fact::DescriptionSynced => set(
            status,
            saying,
            ConditionType::DescriptionSynced,
            "True",
            Reason::Synced,
            "the portal shows spec.description",
        ),
        Fact::DescriptionRefused(message) => {
            set(status, saying, ConditionType::DescriptionSynced, "False", Reason::EditRefused, &message);
        }
        Fact::Revoked(usernames) => status.retiring.retain(|token| !usernames.contains(&token.username)),
        Fact::Retiring(token) => {
            if !status.retiring.iter().any(|known| known.username == token.username) {
                status.retiring.push(token);
            }
        }
    }
}

fn retire_former(status: &mut RegistryTokenStatus, current: &RecordedToken, now: Timestamp) {
    if let Some(former) = status.token.take().filter(|former| former.id != current.id) {
        status.retiring.push(RetiringToken { id: former.id, username: former.username, revocation_time: Time(now) });
    }
    status.retiring.retain(|token| token.username != current.username);
}

fn ready(status: &mut RegistryTokenStatus, saying: &Saying<'_>) {
    set(status, saying, ConditionType::Ready, "True", Reason::TokenStored, "pods can pull with the Secret");
    progress(status, saying, None);
}

fn hindered(status: &mut RegistryTokenStatus, saying: &Saying<'_>, fault: &Fault, working: bool) {
    if !working {
        set(status, saying, ConditionType::Ready, "False", fault.reason, &fault.message);
    }
    let kind = if fault.stalled { ConditionType::Stalled } else { ConditionType::Reconciling };
    progress(status, saying, Some((kind, fault.reason, &fault.message)));
}

/// `Reconciling` and `Stalled` stand only while they are true, and never both.
fn progress(status: &mut RegistryTokenStatus, saying: &Saying<'_>, now: Option<(ConditionType, Reason, &str)>) {
    let kept = now.map(|(kind, ..)| kind.to_string());
    let passing = [ConditionType::Reconciling, ConditionType::Stalled].map(|kind| kind.to_string());
    status
        .conditions
        .retain(|condition| !passing.contains(&condition.type_) || Some(&condition.type_) == kept.as_ref());
    if let Some((kind, reason, message)) = now {
        set(status, saying, kind, "True", reason, message);
    }
}

fn set(
    status: &mut RegistryTokenStatus,
    saying: &Saying<'_>,
    kind: ConditionType,
    value: &str,
    reason: Reason,
    message: &str,
) {
    set_condition(&mut status.conditions, saying.generation, saying.now, (kind, value, reason, message));
}

/// Sets a condition; its transition time changes with its status alone.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    generation: i64,
    now: Timestamp,
    (kind, value, reason, message): (ConditionType, &str, Reason, &str),
) {
    let kind = kind.to_string();
    let position = conditions.iter().position(|condition| condition.type_ == kind);
    let since = position
        .map(|index| &conditions[index])
        .filter(|former| former.status == value)
        .map_or_else(|| Time(now), |former| former.last_transition_time.clone());
    let condition = Condition {
        last_transition_time: since,
        message: message.to_owned(),
        observed_generation: Some(generation),
        reason: reason.to_string(),
        status: value.to_owned(),
        type_: kind,
    };
    match position {
        Some(index) => conditions[index] = condition,
        None => conditions.push(condition),
    }
}

/// What a status says that decisions stand on; nothing where it is another object's.
#[must_use]
pub fn recorded(status: Option<&RegistryTokenStatus>, uid: &str) -> Recorded {
    let Some(status) = status.filter(|status| status.uid.as_deref() == Some(uid)) else {
        return Recorded::default();
    };
    let find = |kind: ConditionType| status.conditions.iter().find(|condition| condition.type_ == kind.to_string());
    let description = find(ConditionType::DescriptionSynced);
    let generation_if =
        |wanted: bool| description.filter(|_| wanted).and_then(|condition| condition.observed_generation);
    let synced = description.is_some_and(|condition| condition.status == "True");
    let refused = description.is_some_and(|condition| condition.reason == Reason::EditRefused.to_string());
    Recorded {
        portal: status.portal.clone(),
        token: status.token.clone(),
        retiring: status.retiring.clone(),
        secret_version: status.secret.as_ref().and_then(|secret| secret.resource_version.clone()),
        observed_generation: status.observed_generation,
        description_synced: generation_if(synced),
        description_refused: generation_if(refused),
        ready: find(ConditionType::Ready).is_some_and(|condition| condition.status == "True"),
        hindered: find(ConditionType::Reconciling).or_else(|| find(ConditionType::Stalled)).is_some(),
    }
}

/// The reason that `Ready` has in a status, with its value; for events on a change.
#[must_use]
pub fn ready_word(status: Option<&RegistryTokenStatus>) -> Option<(&str, &str, &str)> {
    let wanted = ConditionType::Ready.to_string();
    let condition = status?.conditions.iter().find(|condition| condition.type_ == wanted)?;
    Some((&condition.status, &condition.reason, &condition.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAYING: Saying<'_> = Saying { uid: "o", generation: 1, secret_name: "pull", now: Timestamp::UNIX_EPOCH };

    fn token(id: &str) -> RecordedToken {
        RecordedToken { id: id.into(), username: format!("tw-{id}"), nonce: "n".into(), request_time: Time(SAYING.now) }
    }

    fn stored(id: &str) -> Fact {
        let portal = RecordedPortal { url: "https://p".into(), application: "tcp".into(), user: "u".into() };
        Fact::TokenStored {
            token: token(id),
            portal,
            secret: RecordedSecret { name: "pull".into(), ..RecordedSecret::default() },
        }
    }

    fn fault(stalled: bool) -> Fault {
        Fault { reason: Reason::IssuerNotReady, message: "m".into(), stalled }
    }

    #[test]
    fn a_replaced_token_retires() {
        let first = next(None, &SAYING, stored("1"));
        let second = next(Some(&first), &SAYING, stored("2"));
        assert_eq!(second.retiring.len(), 1);
        assert_eq!(second.retiring[0].id, "1");
        assert_eq!(second.token, Some(token("2")));
    }

    #[test]
    fn a_status_of_another_object_is_void() {
        let foreign = next(None, &Saying { uid: "other", ..SAYING }, stored("1"));
        let own = next(Some(&foreign), &SAYING, stored("2"));
        assert!(own.retiring.is_empty(), "another object's token must not be touched");
        assert!(recorded(Some(&foreign), "o").token.is_none());
    }

    #[test]
    fn the_same_fact_said_later_changes_nothing() {
        let first = next(None, &SAYING, Fact::Hindered { fault: fault(false), working: false });
        let later = Saying { now: Timestamp::MAX, ..SAYING };
        assert_eq!(next(Some(&first), &later, Fact::Hindered { fault: fault(false), working: false }), first);
    }

    #[test]
    fn a_working_token_stays_ready_whatever_hinders() {
        let works = next(None, &SAYING, stored("1"));
        let hindered = next(Some(&works), &SAYING, Fact::Hindered { fault: fault(true), working: true });
        assert!(recorded(Some(&hindered), "o").ready);
    }

    #[test]
    fn reconciling_and_stalled_stand_alone_and_go_when_ready() {
        let kinds =
            |status: &RegistryTokenStatus| status.conditions.iter().map(|c| c.type_.clone()).collect::<Vec<_>>();
        let waiting = next(None, &SAYING, Fact::Hindered { fault: fault(false), working: false });
        assert_eq!(kinds(&waiting), ["Ready", "Reconciling"]);
        let stuck = next(Some(&waiting), &SAYING, Fact::Hindered { fault: fault(true), working: false });
        assert_eq!(kinds(&stuck), ["Ready", "Stalled"]);
        assert_eq!(kinds(&next(Some(&stuck), &SAYING, stored("1"))), ["Ready", "DescriptionSynced"]);
    }

    #[test]
    fn a_synced_description_counts_for_its_generation_only() {
        let status = next(Some(&next(None, &SAYING, stored("1"))), &SAYING, Fact::DescriptionSynced);
        assert_eq!(recorded(Some(&status), "o").description_synced, Some(1));
    }
}
