use super::*;
use crate::domain::model::token::TokenRef;

fn row(id: &str, description: &str) -> TokenRow {
    TokenRow {
        token: TokenRef { id: id.to_owned(), username: "tw-1".to_owned() },
        description: description.to_owned(),
        expiration_time: None,
    }
}

#[test]
fn a_row_with_the_marker_has_the_true_id() {
    let sure = ExpectedRow { id: Some("17"), is_trusted: true, is_proved: false, description: "prod [abc/def]" };
    let unsure = ExpectedRow { is_trusted: false, ..sure };
    let ours = row("17", "PROD [ABC/DEF]");
    let changed = row("17", "changed since");
    let bare = row("17", "");
    for (expected, rows, result) in [
        (&sure, vec![], RowMatch::NotFound),
        (&sure, vec![ours.clone()], RowMatch::Matched(&ours)),
        (&unsure, vec![ours.clone()], RowMatch::Matched(&ours)),
        (&sure, vec![changed.clone()], RowMatch::Matched(&changed)),
        (&unsure, vec![changed.clone()], RowMatch::NotFound),
        (&unsure, vec![bare.clone()], RowMatch::Matched(&bare)),
        (&sure, vec![row("18", "Prod [Abc/Def] ")], RowMatch::OtherId),
        (&sure, vec![row("18", "")], RowMatch::OtherId),
        (&sure, vec![row("18", "another token of that name")], RowMatch::NotFound),
        (&sure, vec![row("18", "prod [abc/def]"), bare.clone()], RowMatch::OtherId),
        (&sure, vec![row("18", ""), row("19", "")], RowMatch::NotFound),
    ] {
        assert_eq!(expected.match_rows(&rows), result, "{rows:?}");
    }
    let proved = ExpectedRow { is_proved: true, ..sure };
    assert_eq!(proved.match_rows(&[row("18", "")]), RowMatch::NotFound, "it may be an older token");
    let plain = ExpectedRow { description: "plain", ..sure };
    assert_eq!(
        plain.match_rows(&[row("18", "plain")]),
        RowMatch::OtherId,
        "without a marker the whole description is compared"
    );
}

#[test]
fn without_an_id_in_the_response_the_marker_identifies_the_row() {
    let expected = ExpectedRow { id: None, is_trusted: true, is_proved: true, description: "prod [abc/def]" };
    let (ours, bare, other) = (row("17", "prod [abc/def]"), row("18", " "), row("19", "of another user"));
    assert_eq!(expected.match_rows(&[other.clone(), ours.clone()]), RowMatch::Matched(&ours));
    assert_eq!(expected.match_rows(std::slice::from_ref(&bare)), RowMatch::Matched(&bare));
    assert_eq!(expected.match_rows(&[bare.clone(), other.clone()]), RowMatch::NotFound);
    assert_eq!(expected.match_rows(std::slice::from_ref(&other)), RowMatch::NotFound, "ours may appear later");
    assert_eq!(expected.fallback_row(std::slice::from_ref(&other)), Some(&other));
    assert_eq!(expected.fallback_row(&[bare, other]), None);
}

#[tokio::test(start_paused = true)]
async fn marker_evidence_is_fresh_for_a_minute_only() {
    let evidence = MarkerEvidence::default();
    assert!(!evidence.is_fresh());
    evidence.set(Some(Instant::now()));
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(evidence.is_fresh());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(!evidence.is_fresh());
}

#[test]
fn the_marker_is_the_bracketed_text_at_the_end() {
    for (description, found) in [
        ("nodes [a/b]", Some("[a/b]")),
        ("[x] nodes [a/b]", Some("[a/b]")),
        ("[a/b]", Some("[a/b]")),
        ("nodes [a/b] ", None),
        ("nodes a/b]", None),
        ("", None),
    ] {
        assert_eq!(marker(description), found, "{description:?}");
    }
}
