//! Values that others may write into a Secret or a portal's description.

use super::model::dockerconfig;
use super::model::foreign_login;
use super::model::marker::{AttemptId, IssuerTag, MARKER_LENGTH, Marker, Nonce};
use super::model::pull_secret::{Owner, RawMeta, SecretMeta};
use super::model::request_cause::RequestCause;
use super::model::rotation_windows::{RotationStart, RotationWindow, RotationWindows};
use crate::api::{CAUSE_ANNOTATION, RESERVATION_ANNOTATION, STORED_ANNOTATION, TOKEN_ID_ANNOTATION};
use crate::fuzz_support::{Mutations, mutate, mutate_text};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

fn parse(annotations: &BTreeMap<String, String>) -> SecretMeta {
    let labels = BTreeMap::new();
    let raw = RawMeta { uid: "s", resource_version: "1", controller_uid: Some("o"), labels: &labels, annotations };
    let (reservation_seen, label_of_another) = (Duration::ZERO, false);
    SecretMeta::parse(
        raw,
        Owner {
            uid: "o",
            recorded_secret_uid: None,
            reservation_age: reservation_seen,
            label_names_other_object: label_of_another,
        },
    )
}

#[test]
fn an_attempt_that_is_read_prints_as_it_was() {
    bolero::check!().with_type::<([u8; 16], String, Mutations)>().for_each(|(random, text, changes)| {
        let attempt = AttemptId::from_random(random);
        assert_eq!(AttemptId::parse(&attempt.to_string()), Some(attempt.clone()));
        for text in [text.clone(), mutate_text(&attempt.to_string(), changes)] {
            let Some(read) = AttemptId::parse(&text) else { continue };
            assert_eq!((read.to_string(), text.len()), (text, attempt.to_string().len()));
        }
    });
}

#[test]
fn a_description_has_its_own_marker_and_no_other() {
    bolero::check!().with_type::<(String, String, [u8; 16], [u8; 16])>().for_each(|(description, uid, one, two)| {
        let of = |random| Marker::new(IssuerTag::of("issuer"), Nonce::of(uid, &AttemptId::from_random(random)));
        let (marker, other) = (of(one), of(two));
        let sent = marker.append_to(description);
        assert_eq!(sent.chars().count(), description.chars().count() + MARKER_LENGTH);
        assert!(marker.is_in(&sent) && marker.is_in(sent.trim()));
        assert_eq!(other.is_in(&marker.to_string()), one == two);
    });
}

#[test]
fn a_rotation_never_starts_before_it_is_due_whatever_the_windows() {
    bolero::check!().with_type::<(Mutations, i64, i64, u16)>().for_each(|(changes, due, now, hours)| {
        let time = |seconds: i64| Timestamp::from_second(seconds % 250_000_000_000).unwrap_or_default();
        let window = RotationWindow::parse(
            &mutate_text("15 2 1-7/2 * MON", changes),
            "Europe/Amsterdam",
            SignedDuration::from_hours(i64::from(*hours % 168) + 1),
        );
        let windows = RotationWindows::new([window]);
        let rotation = RotationStart { due: time(*due), share: u32::from(*hours) % 1000, expires: None };
        assert!(windows.start(rotation, time(*now)) >= rotation.due);
        let _ = windows.problem(rotation, time(*now));
    });
}

#[test]
fn annotations_that_are_read_print_as_they_were() {
    const ATTEMPT: &str = "abcdefghijklmnopqrst";
    bolero::check!().with_type::<(Mutations, Mutations, Mutations, String)>().for_each(|(one, two, three, id)| {
        let reservation = mutate_text(&format!("{ATTEMPT}.pod-0.x"), one);
        let request_cause = mutate_text(r#"{"cause":"Rotate","handles":{"rotate":"1"}}"#, two);
        let stored = mutate_text(ATTEMPT, three);
        let annotations = BTreeMap::from([
            (RESERVATION_ANNOTATION.to_owned(), reservation.clone()),
            (CAUSE_ANNOTATION.to_owned(), request_cause),
            (STORED_ANNOTATION.to_owned(), stored.clone()),
            (TOKEN_ID_ANNOTATION.to_owned(), id.clone()),
        ]);
        let read = parse(&annotations);
        assert!(read.reservation.is_none_or(|read| read.to_string() == reservation), "{reservation:?}");
        let Some(read) = read.stored else { return };
        assert!(read.attempt_id.to_string() == stored && read.id == *id, "{stored:?}");
        let again = serde_json::to_string(&read.request_cause).expect("JSON");
        assert_eq!(serde_json::from_str::<RequestCause>(&again).expect("a cause"), read.request_cause);
    });
}

#[test]
fn a_login_that_is_read_can_be_written_again() {
    let good = dockerconfig::encode(&["a.example".into(), "b.example:5000/x".into()], "tw$1", "hush").expect("written");
    let good = String::from_utf8(good.to_vec()).expect("text");
    bolero::check!().with_type::<Mutations>().for_each(|changes| {
        let content = mutate(&good, changes);
        let Some(read) = dockerconfig::parse_login(&content) else { return };
        assert!(!read.username.is_empty() && !read.hosts.is_empty() && !read.password.is_empty());
        let again = dockerconfig::encode(&read.hosts, &read.username, &read.password).expect("written");
        let again = dockerconfig::parse_login(&again).expect("a login");
        assert_eq!((again.hosts, again.username, again.password), (read.hosts, read.username, read.password));
    });
}

#[test]
fn a_login_of_another_client_is_the_only_one_and_for_the_registries_alone() {
    let good = r#"{"auths":{"a.example":{"username":"tw-1","password":"hush","auth":"dHctMTpodXNo"},"b":{"auth":"dHctMTpodXNo"}}}"#;
    let registries = ["a.example".to_owned(), "b".to_owned()];
    bolero::check!().with_type::<Mutations>().for_each(|changes| {
        let content = mutate(good, changes);
        match foreign_login::parse(&content, &registries) {
            Ok(read) => {
                assert!(!read.username.is_empty() && !read.password.is_empty() && !read.hosts.is_empty());
                let written = dockerconfig::encode(&registries, &read.username, &read.password).expect("written");
                let again = foreign_login::parse(&written, &registries).expect("a login");
                assert_eq!((again.username, again.password), (read.username, read.password));
            }
            Err(why) => assert!(why.message().chars().count() < 600 && !why.message().contains("hush")),
        }
    });
}

#[test]
fn a_login_that_is_written_is_read_back() {
    bolero::check!().with_type::<(Vec<String>, String, String)>().for_each(|(hosts, username, secret)| {
        let content = dockerconfig::encode(hosts, username, secret).expect("written");
        let mut sorted = hosts.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let login = dockerconfig::parse_login(&content).map(|login| (login.username, login.hosts));
        let whole = !sorted.is_empty() && !username.is_empty() && !secret.is_empty();
        assert_eq!(login, whole.then(|| (username.clone(), sorted)));
    });
}
