use super::*;
use crate::domain::test_support::{at, portal};

fn keys(signing: u8, accepted: &[u8]) -> MacKeys {
    let accepted: Vec<[u8; 32]> = accepted.iter().map(|byte| [*byte; 32]).collect();
    MacKeys::new(&[signing; 32], accepted.iter().map(<[u8; 32]>::as_slice), at(0)).expect("keys")
}

fn token_ref() -> TokenRef {
    TokenRef { id: "17".into(), username: "tw-17".into() }
}

#[test]
fn a_mac_is_valid_for_its_token_its_object_its_portal_and_its_role_alone() {
    let (keys, portal, token) = (keys(1, &[]), portal(), token_ref());
    let subject = MacSubject::of("uid", &portal, &token);
    let mac = keys.sign(subject, TokenRole::Current);
    assert!(keys.verify(subject, TokenRole::Current, &mac));
    assert!(!keys.verify(subject, TokenRole::Retiring, &mac) && !keys.verify(subject, TokenRole::Stored, &mac));
    assert!(!keys.verify(MacSubject { uid: "other", ..subject }, TokenRole::Current, &mac));
    assert!(!keys.verify(MacSubject { id: "18", ..subject }, TokenRole::Current, &mac));
    assert!(!keys.verify(MacSubject { username: "tw-18", ..subject }, TokenRole::Current, &mac));
    let other = |change: fn(&mut RecordedPortal)| {
        let mut portal = portal.clone();
        change(&mut portal);
        keys.verify(MacSubject { portal: &portal, ..subject }, TokenRole::Current, &mac)
    };
    assert!(!other(|portal| portal.url = "https://q".into()));
    assert!(!other(|portal| portal.scope = "x".into()) && !other(|portal| portal.user = "x".into()));
}

#[test]
fn text_that_moves_from_one_part_to_the_next_makes_another_mac() {
    let (keys, portal) = (keys(1, &[]), portal());
    let mac = |id, username| keys.sign(MacSubject { uid: "uid", portal: &portal, id, username }, TokenRole::Current);
    assert_ne!(mac("17", "x"), mac("1", "7x"));
    assert_ne!(mac("", "17x"), mac("17x", ""));
}

#[test]
fn during_a_rotation_the_former_key_is_accepted_and_the_new_one_signs() {
    let (portal, token) = (portal(), token_ref());
    let subject = MacSubject::of("uid", &portal, &token);
    let former = keys(1, &[]).sign(subject, TokenRole::Current);
    let (during, after) = (keys(2, &[1]), keys(2, &[]));
    assert!(during.verify(subject, TokenRole::Current, &former));
    assert!(
        !after.verify(subject, TokenRole::Current, &former)
            && after.is_signed_by_unknown_key(&former)
            && !during.is_signed_by_unknown_key(&former)
    );
    let now = during.sign(subject, TokenRole::Current);
    assert_ne!(now, former);
    assert!(after.verify(subject, TokenRole::Current, &now) && keys(1, &[]).is_signed_by_unknown_key(&now));
}

#[test]
fn an_invalid_mac_proves_nothing() {
    let (keys, portal, token) = (keys(1, &[]), portal(), token_ref());
    let subject = MacSubject::of("uid", &portal, &token);
    let mac = keys.sign(subject, TokenRole::Current);
    let (head, tag) = mac.rsplit_once('.').expect("three parts");
    let truncated = format!("{head}.{}", &tag[..8]);
    let another_version = mac.replacen("v1", "v2", 1);
    for forged in ["", "v1", "v1.", "v1..", "nonsense", head, &truncated, &another_version, &format!("{mac}.x")] {
        assert!(!keys.verify(subject, TokenRole::Current, forged), "{forged}");
    }
}

#[test]
fn a_short_key_is_rejected_and_no_key_is_printed() {
    assert!(MacKeys::new(&[1; 31], [], at(0)).is_none());
    assert!(MacKeys::new(&[1; 32], [[2; 3].as_slice()], at(0)).is_none());
    assert_eq!(format!("{:?}", keys(1, &[2])), "MacKeys");
    assert_eq!(keys(1, &[2]), keys(1, &[2]));
    assert_ne!(keys(1, &[2]), keys(1, &[]));
}
