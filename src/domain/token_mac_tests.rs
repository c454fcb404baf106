use super::*;
use crate::domain::testing::{at, portal};

fn keys(signing: u8, accepted: &[u8]) -> MacKeys {
    let accepted: Vec<[u8; 32]> = accepted.iter().map(|byte| [*byte; 32]).collect();
    MacKeys::new(&[signing; 32], accepted.iter().map(<[u8; 32]>::as_slice), at(0)).expect("keys")
}

fn named() -> Named {
    Named { id: "17".into(), username: "tw-17".into() }
}

#[test]
fn a_mac_is_valid_for_its_token_its_object_its_portal_and_its_role_alone() {
    let (keys, portal, token) = (keys(1, &[]), portal(), named());
    let subject = Subject::of("uid", &portal, &token);
    let mac = keys.sign(subject, Role::Current);
    assert!(keys.verify(subject, Role::Current, &mac));
    assert!(!keys.verify(subject, Role::Retiring, &mac) && !keys.verify(subject, Role::Stored, &mac));
    assert!(!keys.verify(Subject { uid: "other", ..subject }, Role::Current, &mac));
    assert!(!keys.verify(Subject { id: "18", ..subject }, Role::Current, &mac));
    assert!(!keys.verify(Subject { username: "tw-18", ..subject }, Role::Current, &mac));
    let other = |change: fn(&mut RecordedPortal)| {
        let mut portal = portal.clone();
        change(&mut portal);
        keys.verify(Subject { portal: &portal, ..subject }, Role::Current, &mac)
    };
    assert!(!other(|portal| portal.url = "https://q".into()));
    assert!(!other(|portal| portal.scope = "x".into()) && !other(|portal| portal.user = "x".into()));
}

#[test]
fn text_that_moves_from_one_part_to_the_next_makes_another_mac() {
    let (keys, portal) = (keys(1, &[]), portal());
    let mac = |id, username| keys.sign(Subject { uid: "uid", portal: &portal, id, username }, Role::Current);
    assert_ne!(mac("17", "x"), mac("1", "7x"));
    assert_ne!(mac("", "17x"), mac("17x", ""));
}

#[test]
fn during_a_rotation_the_former_key_is_accepted_and_the_new_one_signs() {
    let (portal, token) = (portal(), named());
    let subject = Subject::of("uid", &portal, &token);
    let former = keys(1, &[]).sign(subject, Role::Current);
    let (during, after) = (keys(2, &[1]), keys(2, &[]));
    assert!(during.verify(subject, Role::Current, &former));
    assert!(!after.verify(subject, Role::Current, &former) && after.lacks(&former) && !during.lacks(&former));
    let now = during.sign(subject, Role::Current);
    assert_ne!(now, former);
    assert!(after.verify(subject, Role::Current, &now) && keys(1, &[]).lacks(&now));
}

#[test]
fn what_is_no_mac_proves_nothing() {
    let (keys, portal, token) = (keys(1, &[]), portal(), named());
    let subject = Subject::of("uid", &portal, &token);
    let mac = keys.sign(subject, Role::Current);
    let (head, tag) = mac.rsplit_once('.').expect("three parts");
    let truncated = format!("{head}.{}", &tag[..8]);
    let another_version = mac.replacen("v1", "v2", 1);
    for forged in ["", "v1", "v1.", "v1..", "nonsense", head, &truncated, &another_version, &format!("{mac}.x")] {
        assert!(!keys.verify(subject, Role::Current, forged), "{forged}");
    }
}

#[test]
fn a_short_key_is_refused_and_no_key_is_shown() {
    assert!(MacKeys::new(&[1; 31], [], at(0)).is_none());
    assert!(MacKeys::new(&[1; 32], [[2; 3].as_slice()], at(0)).is_none());
    assert_eq!(format!("{:?}", keys(1, &[2])), "MacKeys");
    assert_eq!(keys(1, &[2]), keys(1, &[2]));
    assert_ne!(keys(1, &[2]), keys(1, &[]));
}
