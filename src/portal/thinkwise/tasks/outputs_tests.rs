use super::*;
use crate::portal::thinkwise::odata::value_kind::ValueKind;

fn token_ref(id: &str, username: &str) -> TokenRef {
    TokenRef { id: id.to_owned(), username: username.to_owned() }
}

fn from(name: &str, kind: ValueKind, source: ArgumentSource) -> Argument {
    Argument { name: name.to_owned(), kind, source }
}

fn fixed(name: &str, kind: ValueKind, value: &str) -> Argument {
    from(name, kind, ArgumentSource::Fixed(Literal::parse(kind, value).expect(value)))
}

fn text(arguments: &[Argument], values: &TaskValues<'_>) -> String {
    String::from_utf8(task_body(arguments, values).expect("a body")).expect("UTF-8")
}

fn outputs(id: IdSource) -> OutputNames {
    OutputNames { username: "username".into(), secret: "secret".into(), id }
}

fn issued(responses: &[&str], names: &OutputNames) -> Result<IssuedToken, PortalError> {
    issued_with(ValueKind::Other, responses, names)
}

fn issued_with(kind: ValueKind, responses: &[&str], names: &OutputNames) -> Result<IssuedToken, PortalError> {
    let mut collector = OutputCollector::new(names, kind);
    for response in responses {
        collector.collect(response.as_bytes());
    }
    collector.into_token(StatusCode::OK)
}

#[test]
fn parameters_keep_their_order_and_their_types() {
    let arguments = [
        fixed("z_confirm", ValueKind::Boolean, "true"),
        from("token_id", ValueKind::Integer, ArgumentSource::TokenId),
        fixed("b", ValueKind::Text, "true"),
        from("a_description", ValueKind::Text, ArgumentSource::Description),
        from("m_user", ValueKind::Text, ArgumentSource::Username),
    ];
    let values = TaskValues { description: Some("say \"hi\""), token: Some(&token_ref("17", "robot$x")) };
    assert_eq!(
        text(&arguments, &values),
        r#"{"z_confirm":true,"token_id":17,"b":"true","a_description":"say \"hi\"","m_user":"robot$x"}"#
    );
}

#[test]
fn an_id_is_written_as_metadata_types_it() {
    for (kind, id, sent) in
        [(ValueKind::Integer, "17", "17"), (ValueKind::Text, "17", "\"17\""), (ValueKind::Text, "a1", "\"a1\"")]
    {
        let values = TaskValues { description: None, token: Some(&token_ref(id, "u")) };
        assert_eq!(text(&[from("i", kind, ArgumentSource::TokenId)], &values), format!("{{\"i\":{sent}}}"));
    }
    let values = TaskValues { description: None, token: Some(&token_ref("a1", "u")) };
    let failure = task_body(&[from("i", ValueKind::Integer, ArgumentSource::TokenId)], &values).expect_err("no number");
    assert_eq!(failure.delivery, Delivery::NotSent);
}

#[test]
fn a_task_without_a_required_value_is_not_sent() {
    let values = TaskValues { description: Some("d"), token: None };
    let failure = task_body(&[from("i", ValueKind::Integer, ArgumentSource::TokenId)], &values)
        .expect_err("a new token has no id");
    assert_eq!(failure.delivery, Delivery::NotSent);
}

#[test]
fn ids_are_numbers_or_texts_or_absent() {
    let named = outputs(IdSource::Output("id".into()));
    for (response, id) in [
        (r#"{"description":"d","username":"u","secret":"s","id":17}"#, Some("17")),
        (r#"{"username":"u","secret":"s","id":"x-1"}"#, Some("x-1")),
        (r#"{"username":"u","secret":"s","id":null}"#, None),
        (r#"{"username":"u","secret":"s"}"#, None),
    ] {
        let token = issued(&[response], &named).expect(response);
        assert_eq!((token.id.as_deref(), token.username.as_str()), (id, "u"), "{response}");
        assert_eq!(token.secret.expose_secret(), "s");
    }
    let response = r#"{"username":"u$+'é","secret":"s","id":17}"#;
    assert_eq!(issued(&[response], &outputs(IdSource::LookUp)).expect("a token").id, None);
    assert_eq!(issued(&[response], &outputs(IdSource::Username)).expect("a token").id.as_deref(), Some("u$+'é"));
}

#[test]
fn outputs_may_come_in_several_responses_and_the_first_of_each_counts() {
    let parts = ["", r#"{"username":"u"}"#, r#"{"username":"other","secret":"s"}"#, r#"{"secret":"late"}"#];
    let token = issued(&parts, &outputs(IdSource::LookUp)).expect("a token");
    assert_eq!((token.username.as_str(), token.secret.expose_secret()), ("u", "s"));
}

#[test]
fn a_broken_response_has_an_unknown_outcome_and_is_never_quoted() {
    for response in [
        "",
        "[]",
        r#"{"username":"u","secret":"hush""#,
        r#"{"username":"u","secret":""}"#,
        r#"{"username":"","secret":"hush"}"#,
        r#"{"secret":"hush"}"#,
        r#"{"username":"u","secret":{"hush":1}}"#,
        r#"{"username":"u","secret":42}"#,
    ] {
        let failure = issued(&[response], &outputs(IdSource::LookUp)).expect_err(response);
        assert_eq!((failure.delivery, failure.reason), (Delivery::Unknown, Reason::InvalidResponse), "{response}");
        assert!(!failure.message.contains("hush"), "{}", failure.message);
    }
}

#[test]
fn ids_and_usernames_that_cannot_be_recorded_are_rejected_and_never_quoted() {
    let long = "x".repeat(257);
    for bad in ["a:b", "a\\u0000b", "a\\nb", "a\\u009bb", " a", "a ", "\\u00a0a", &long] {
        for (response, names) in [
            (format!(r#"{{"username":"{bad}","secret":"hush","id":"1"}}"#), outputs(IdSource::Output("id".into()))),
            (format!(r#"{{"username":"u","secret":"hush","id":"{bad}"}}"#), outputs(IdSource::Output("id".into()))),
            (format!(r#"{{"username":"{bad}","secret":"hush"}}"#), outputs(IdSource::Username)),
            (format!(r#"{{"username":"{bad}","secret":"hush"}}"#), outputs(IdSource::LookUp)),
        ] {
            let failure = issued(&[&response], &names).expect_err(&response);
            assert_eq!((failure.delivery, failure.reason), (Delivery::Unknown, Reason::InvalidResponse), "{response}");
            assert!(!failure.message.contains("hush") && failure.message.contains("check tasks"), "{failure}");
        }
    }
    let longest = "x".repeat(256);
    assert!(issued(&[&format!(r#"{{"username":"{longest}","secret":"s"}}"#)], &outputs(IdSource::Username)).is_ok());
}

#[test]
fn a_secret_with_a_nul_or_a_line_break_is_rejected_and_never_quoted() {
    for bad in ["hush\\u0000", "hush\\nx", "\\rhush"] {
        let response = format!(r#"{{"username":"u","secret":"{bad}"}}"#);
        let failure = issued(&[&response], &outputs(IdSource::LookUp)).expect_err(&response);
        assert_eq!((failure.delivery, failure.reason), (Delivery::Unknown, Reason::InvalidResponse), "{response}");
        assert!(!failure.message.contains("hush"), "{failure}");
    }
    let response = r#"{"username":"u","secret":" a:b\té "}"#;
    assert_eq!(issued(&[response], &outputs(IdSource::LookUp)).expect("a token").secret.expose_secret(), " a:b\té ");
}

#[test]
fn an_id_is_recorded_in_the_normalized_form_of_its_type() {
    let named = outputs(IdSource::Output("id".into()));
    let guid = "0f8fad5b-d9cb-469f-a165-70867728950e";
    for (kind, id, recorded) in [
        (ValueKind::Guid, format!("{:?}", guid.to_uppercase()), Some(guid)),
        (ValueKind::Decimal, "9007199254740993.0".into(), Some("9007199254740993")),
        (ValueKind::Integer, r#""9007199254740993""#.into(), Some("9007199254740993")),
        (ValueKind::Integer, "null".into(), None),
    ] {
        let response = format!(r#"{{"username":"u","secret":"s","id":{id}}}"#);
        assert_eq!(issued_with(kind, &[&response], &named).expect(&response).id.as_deref(), recorded);
    }
    for (kind, id) in [
        (ValueKind::Guid, "17"),
        (ValueKind::Integer, "17.5"),
        (ValueKind::Integer, r#""x""#),
        (ValueKind::Decimal, r#""1,5""#),
    ] {
        let response = format!(r#"{{"username":"u","secret":"s","id":{id}}}"#);
        let failure = issued_with(kind, &[&response], &named).expect_err(&response);
        assert!(failure.message.contains("is not of the type"), "{failure}");
    }
    // An id that an earlier version recorded is sent in that form too.
    for (kind, id, sent) in
        [(ValueKind::Guid, &*guid.to_uppercase(), format!("{guid:?}")), (ValueKind::Decimal, "42.0", "42".into())]
    {
        let values = TaskValues { description: None, token: Some(&token_ref(id, "u")) };
        assert_eq!(text(&[from("i", kind, ArgumentSource::TokenId)], &values), format!("{{\"i\":{sent}}}"));
    }
}
