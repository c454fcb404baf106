use super::*;
use crate::portal::thinkwise::metadata::Kind;
use secrecy::ExposeSecret as _;

fn from(name: &str, kind: Kind, source: Source) -> Argument {
    Argument { name: name.to_owned(), kind, source }
}

fn fixed(name: &str, kind: Kind, value: &str) -> Argument {
    from(name, kind, Source::Fixed(Literal::parse(kind, value).expect(value)))
}

fn text(arguments: &[Argument], values: &Values<'_>) -> String {
    String::from_utf8(body(arguments, values).expect("a body")).expect("UTF-8")
}

fn outputs(id: IdSource) -> OutputNames {
    OutputNames { username: "username".into(), secret: "secret".into(), id }
}

fn issued(answers: &[&str], names: &OutputNames) -> Result<IssuedToken, Failure> {
    let mut gathered = Gathered::new(names);
    for answer in answers {
        gathered.take(answer.as_bytes());
    }
    gathered.token(StatusCode::OK)
}

#[test]
fn parameters_keep_their_order_and_their_types() {
    let arguments = [
        fixed("z_confirm", Kind::Boolean, "true"),
        from("token_id", Kind::Integer, Source::TokenId),
        fixed("b", Kind::Text, "true"),
        from("a_description", Kind::Text, Source::Description),
        from("m_user", Kind::Text, Source::Username),
    ];
    let values = Values { description: Some("say \"hi\""), token: Some(TokenRef { id: "17", username: "robot$x" }) };
    assert_eq!(
        text(&arguments, &values),
        r#"{"z_confirm":true,"token_id":17,"b":"true","a_description":"say \"hi\"","m_user":"robot$x"}"#
    );
}

#[test]
fn an_id_is_written_as_metadata_types_it() {
    for (kind, id, sent) in [(Kind::Integer, "17", "17"), (Kind::Text, "17", "\"17\""), (Kind::Text, "a1", "\"a1\"")] {
        let values = Values { description: None, token: Some(TokenRef { id, username: "u" }) };
        assert_eq!(text(&[from("i", kind, Source::TokenId)], &values), format!("{{\"i\":{sent}}}"));
    }
    let values = Values { description: None, token: Some(TokenRef { id: "a1", username: "u" }) };
    let failure = body(&[from("i", Kind::Integer, Source::TokenId)], &values).expect_err("no number");
    assert_eq!(failure.sent, Sent::No);
}

#[test]
fn what_a_task_does_not_have_is_not_sent() {
    let values = Values { description: Some("d"), token: None };
    let failure = body(&[from("i", Kind::Integer, Source::TokenId)], &values).expect_err("a new token has no id");
    assert_eq!(failure.sent, Sent::No);
}

#[test]
fn ids_are_numbers_or_texts_or_left_for_later() {
    let named = outputs(IdSource::Output("id".into()));
    for (answer, id) in [
        (r#"{"description":"d","username":"u","secret":"s","id":17}"#, Some("17")),
        (r#"{"username":"u","secret":"s","id":"x-1"}"#, Some("x-1")),
        (r#"{"username":"u","secret":"s","id":null}"#, None),
        (r#"{"username":"u","secret":"s"}"#, None),
    ] {
        let token = issued(&[answer], &named).expect(answer);
        assert_eq!((token.id.as_deref(), token.username.as_str()), (id, "u"), "{answer}");
        assert_eq!(token.secret.expose_secret(), "s");
    }
    let answer = r#"{"username":"u$+'é","secret":"s","id":17}"#;
    assert_eq!(issued(&[answer], &outputs(IdSource::LookUp)).expect("a token").id, None);
    assert_eq!(issued(&[answer], &outputs(IdSource::Username)).expect("a token").id.as_deref(), Some("u$+'é"));
}

#[test]
fn outputs_may_come_in_parts_and_the_first_of_each_counts() {
    let parts = ["", r#"{"username":"u"}"#, r#"{"username":"other","secret":"s"}"#, r#"{"secret":"late"}"#];
    let token = issued(&parts, &outputs(IdSource::LookUp)).expect("a token");
    assert_eq!((token.username.as_str(), token.secret.expose_secret()), ("u", "s"));
}

#[test]
fn a_broken_answer_may_have_made_a_token_and_is_never_quoted() {
    for answer in [
        "",
        "[]",
        r#"{"username":"u","secret":"hush""#,
        r#"{"username":"u","secret":""}"#,
        r#"{"username":"","secret":"hush"}"#,
        r#"{"secret":"hush"}"#,
        r#"{"username":"u","secret":{"hush":1}}"#,
        r#"{"username":"u","secret":42}"#,
    ] {
        let failure = issued(&[answer], &outputs(IdSource::LookUp)).expect_err(answer);
        assert_eq!((failure.sent, failure.reason), (Sent::Perhaps, Reason::AnswerMalformed), "{answer}");
        assert!(!failure.message.contains("hush"), "{}", failure.message);
    }
}
