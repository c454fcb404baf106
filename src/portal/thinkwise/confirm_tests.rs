use super::*;

fn row(id: &str, description: &str) -> PortalRow {
    PortalRow { id: id.to_owned(), username: "tw-1".to_owned(), description: description.to_owned() }
}

#[test]
fn a_row_with_the_marker_tells_the_true_id() {
    let sure = Sought { id: Some("17"), is_sure: true, is_proved: false, description: "prod [abc/def]" };
    let unsure = Sought { is_sure: false, ..sure };
    let ours = row("17", "PROD [ABC/DEF]");
    let changed = row("17", "changed since");
    let bare = row("17", "");
    for (sought, rows, says) in [
        (&sure, vec![], Word::Nothing),
        (&sure, vec![ours.clone()], Word::Own(&ours)),
        (&unsure, vec![ours.clone()], Word::Own(&ours)),
        (&sure, vec![changed.clone()], Word::Own(&changed)),
        (&unsure, vec![changed.clone()], Word::Nothing),
        (&unsure, vec![bare.clone()], Word::Own(&bare)),
        (&sure, vec![row("18", "Prod [Abc/Def] ")], Word::Another),
        (&sure, vec![row("18", "")], Word::Another),
        (&sure, vec![row("18", "another token of that name")], Word::Nothing),
        (&sure, vec![row("18", "prod [abc/def]"), bare.clone()], Word::Another),
        (&sure, vec![row("18", ""), row("19", "")], Word::Nothing),
    ] {
        assert_eq!(sought.word(&rows), says, "{rows:?}");
    }
    let proved = Sought { is_proved: true, ..sure };
    assert_eq!(proved.word(&[row("18", "")]), Word::Nothing, "it may be an older one");
    let plain = Sought { description: "plain", ..sure };
    assert_eq!(plain.word(&[row("18", "plain")]), Word::Another, "without a marker all of it counts");
}

#[test]
fn where_the_answer_told_no_id_the_marker_does() {
    let sought = Sought { id: None, is_sure: true, is_proved: true, description: "prod [abc/def]" };
    let (ours, bare, other) = (row("17", "prod [abc/def]"), row("18", " "), row("19", "of somebody"));
    assert_eq!(sought.word(&[other.clone(), ours.clone()]), Word::Own(&ours));
    assert_eq!(sought.word(std::slice::from_ref(&bare)), Word::Own(&bare));
    assert_eq!(sought.word(&[bare.clone(), other.clone()]), Word::Nothing);
    assert_eq!(sought.word(std::slice::from_ref(&other)), Word::Nothing, "ours may be late");
    assert_eq!(sought.left(std::slice::from_ref(&other)), Some(&other));
    assert_eq!(sought.left(&[bare, other]), None);
}

#[tokio::test(start_paused = true)]
async fn one_marker_that_was_kept_is_believed_for_a_minute_only() {
    let marking = Marking::default();
    assert!(!marking.is_believed());
    marking.set(Some(Instant::now()));
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(marking.is_believed());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(!marking.is_believed());
}

#[test]
fn the_marker_is_what_stands_in_brackets_at_the_end() {
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
