use super::*;
use crate::domain::test_support::{at, attempt_id, marker, row, tag, token_ref};

fn inventory(rows: &[TokenRow]) -> Inventory {
    let mut inventory = Inventory::new(at(0), "k8s".into(), tag());
    rows.iter().cloned().for_each(|row| inventory.add(row));
    inventory
}

#[test]
fn the_hash_of_a_tokens_description_is_kept() {
    let list = inventory(&[row("1", "prod"), row("2", "")]);
    assert_eq!(
        (list.description_hash(&token_ref("1")), list.description_hash(&token_ref("3"))),
        (Some(hash64("prod")), None)
    );
    assert_eq!((list.len(), list.is_empty(), inventory(&[]).is_empty()), (2, false, true));
    assert_ne!(hash64("prod"), hash64("Prod"));
}

#[test]
fn only_rows_with_this_issuers_marker_are_kept_whole() {
    let ours = row("1", &marker(&attempt_id(1)).append_to("prod"));
    let other = Marker::new(IssuerTag::of("another issuer"), marker(&attempt_id(1)).nonce().clone());
    let mut list = inventory(&[ours.clone(), row("2", &other.append_to("prod")), row("3", "prod [x/y]")]);
    assert!(list.has_marked());
    assert_eq!(list.take_marked(), [(ours, marker(&attempt_id(1)))]);
    assert_eq!((list.take_marked(), list.len()), (vec![], 3), "only once");
    assert!(!inventory(&[row("2", &other.append_to("prod"))]).has_marked(), "another issuer's marker");
}

#[test]
fn a_token_that_is_known_by_its_username_only_is_found_by_that() {
    let list = inventory(&[row("1", "prod"), row("tw-3", "another's id")]);
    let known = |name: &str| TokenRef { id: name.into(), username: name.into() };
    assert_eq!(list.description_hash(&known("tw-1")), Some(hash64("prod")));
    assert_eq!((list.description_hash(&known("tw-3")), list.description_hash(&known("1"))), (None, None));
}

#[test]
fn a_token_whose_id_was_reused_is_not_listed() {
    let list =
        inventory(&[TokenRow { token: TokenRef { username: "another".into(), ..token_ref("1") }, ..row("1", "prod") }]);
    assert_eq!(list.description_hash(&token_ref("1")), None);
    assert_eq!(list.description_hash(&TokenRef { username: "another".into(), ..token_ref("1") }), Some(hash64("prod")));
}

#[test]
fn a_token_that_was_recorded_in_another_letter_case_is_listed() {
    let guid = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let shown = TokenRow {
        token: TokenRef { id: guid.into(), username: "tw-1".into() },
        description: "prod".into(),
        expiration_time: None,
    };
    let list = inventory(&[shown]);
    let recorded = TokenRef { id: guid.to_uppercase(), username: "tw-1 ".into() };
    assert_eq!(list.description_hash(&recorded), Some(hash64("prod")));
}
