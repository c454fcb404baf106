//! Fuzz targets for portal responses.

use super::client::messages::tsf_messages;
use super::discovery::interface::{IdSource, OutputNames};
use super::discovery::metadata::Catalog;
use super::discovery::resolve::resolve;
use super::odata::address::resolve_link;
use super::tasks::outputs::OutputCollector;
use super::{Delivery, PortalError};
use crate::api::{Reason, Thinkwise};
use crate::fuzz_support::{Mutations, choose, mutate, mutate_text};
use crate::portal::thinkwise::odata::value_kind::ValueKind;
use crate::portal::token_name::TokenName;
use crate::sanitize::fuzz::assert_sanitized;
use crate::sanitize::strip_control;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue};
use secrecy::ExposeSecret as _;
use serde::de::IgnoredAny;
use serde_json::Value;
use url::Url;

const MESSAGES: [&str; 4] = [
    r#"{"MessageType":"IndiciumMessage","RawMessage":"No access","NamedParameters":[{"Key":"Task","Value":"t"}]}"#,
    r#"[{"RawMessage":"a","TranslatedMessage":"A"},{"RawMessage":"b","TranslatedMessage":null},{}]"#,
    r#"{"MessageType":"ApplicationDbMessage","RawMessage":"<msg id=\"x\"><b id='y'>t &lt; u</b></msg>"}"#,
    r#"{"MessageType":"TechnicalDbMessage","RawMessage":"a\r\n\u001b[31m\u202eb","MessageID":7}"#,
];

#[test]
fn a_message_is_one_short_line_without_control_characters() {
    bolero::check!().with_type::<(u8, Mutations, Mutations)>().for_each(|(seed, inner, outer)| {
        let json = mutate(choose(&MESSAGES, *seed), inner);
        for header in [STANDARD.encode(&json), mutate_text(&STANDARD_NO_PAD.encode(&json), outer)] {
            let Ok(header) = HeaderValue::from_str(&header) else { continue };
            if let Some(text) = tsf_messages(&HeaderMap::from_iter([("tsfmessages".parse().expect("a name"), header)]))
            {
                assert!(!text.is_empty());
                assert_sanitized(&text);
            }
        }
    });
}

const RESPONSES: [&str; 4] = [
    r#"{"description":"d","username":"tw-1","secret":"hush-hush","id":17,"more":{"a":[1,2.5,null]}}"#,
    r#"{"id":"x-1","secret":"hush-hush","username":"tw$1"}"#,
    r#"{"username":7,"secret":"hush-hush","id":null,"secret":"hush-hush"}"#,
    r#"{"username":"tw-1","secret":42}"#,
];

/// The text or integer of a field, as a general JSON parser reads it.
fn field(document: &Value, name: &str) -> Option<String> {
    match &document[name] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
    .filter(|text| !text.is_empty())
}

/// A number that a general JSON parser does not read exactly.
fn is_inexact(document: &Value) -> bool {
    ["username", "id"].iter().any(|name| document[*name].is_f64())
}

#[test]
fn a_token_is_exactly_what_the_response_contains() {
    let id = IdSource::Output("id".into());
    let outputs = OutputNames { username: "username".into(), secret: "secret".into(), id };
    bolero::check!().with_type::<(u8, Mutations)>().for_each(|(seed, changes)| {
        let body = mutate(choose(&RESPONSES, *seed), changes);
        let document: Option<Value> = serde_json::from_slice(&body).ok().filter(Value::is_object);
        let expected = document.as_ref().and_then(|document| {
            let secret = field(document, "secret").filter(|_| document["secret"].is_string());
            Some((field(document, "username")?, secret?, field(document, "id")))
        });
        if document.as_ref().is_some_and(is_inexact) {
            return;
        }
        let is_recordable = |name: &str| TokenName::parse(name).is_ok();
        let expected = expected.filter(|(username, secret, id)| {
            let id = id.as_ref().is_none_or(|id| is_recordable(id));
            id && is_recordable(username) && !secret.contains(['\0', '\r', '\n'])
        });
        let mut collector = OutputCollector::new(&outputs, ValueKind::Other);
        collector.collect(&body);
        match collector.into_token(StatusCode::OK) {
            // Fields that are not needed may contain bytes that are not text, which a parser of all fields rejects.
            Ok(_) if document.is_none() => assert!(serde_json::from_slice::<IgnoredAny>(&body).is_ok()),
            Ok(token) => {
                let actual = Some((token.username, token.secret.expose_secret().to_owned(), token.id));
                assert_eq!(actual, expected, "{}", String::from_utf8_lossy(&body));
            }
            Err(failure) => {
                assert_eq!(
                    (failure.delivery, failure.reason, expected),
                    (Delivery::Unknown, Reason::InvalidResponse, None)
                );
                assert!(!failure.message.contains("hush"), "{failure}");
            }
        }
    });
}

#[test]
fn a_next_page_is_never_on_another_server() {
    const LINKS: [&str; 7] = [
        "container_token?$skiptoken=17",
        "https://portal.example.com/indicium/iam/tcp/container_token?$skip=1000",
        "//portal.example.com:443/x",
        "http://portal.example.com/x",
        "https://u:p@portal.example.com/x#f",
        "http://10.0.0.7:8080/indicium/iam/tcp/container_token?$skip=1000",
        "../../../x?y=\\..\\",
    ];
    let root = Url::parse("https://portal.example.com/indicium/iam/tcp").expect("a URL");
    let current = Url::parse("https://portal.example.com/indicium/iam/tcp/container_token?$top=1").expect("a URL");
    bolero::check!().with_type::<(u8, Mutations)>().for_each(|(seed, changes)| {
        let link = mutate_text(choose(&LINKS, *seed), changes);
        match resolve_link(&root, &current, &link, "the next page") {
            Ok(next) => {
                assert_eq!((next.origin(), next.scheme()), (current.origin(), "https"), "{link:?}");
                assert!(next.username().is_empty() && next.password().is_none(), "{link:?}");
                assert_eq!(next.fragment(), None, "{link:?}");
                assert_eq!(Url::parse(next.as_str()), Ok(next), "the requested URL is the checked one");
            }
            Err(PortalError { reason, message, .. }) => {
                assert_eq!(reason, Reason::InvalidResponse, "{link:?}");
                assert_sanitized(&message);
            }
        }
    });
}

const METADATA: &str = r#"<?xml version="1.0"?><edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">
<edmx:DataServices><Schema Namespace="tcp" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="container_token"><Key><PropertyRef Name="container_token_id"/></Key>
<Property Name="container_token_id" Type="Edm.Int32" Nullable="false"/>
<Property Name="username" Type="Edm.String" MaxLength="100"/><Property Name="description" Type="Edm.String"/></EntityType>
<ComplexType Name="made"><Property Name="username" Type="Edm.String"/><Property Name="secret" Type="Edm.String"/></ComplexType>
<Action Name="request_token"><Parameter Name="description" Type="Edm.String" Nullable="false"/><ReturnType Type="tcp.made"/></Action>
<Action Name="edit_token_description"><Parameter Name="container_token_id" Type="Edm.Int32" Nullable="false"/>
<Parameter Name="description" Type="Edm.String"/></Action>
<Action Name="task_revoke_token" IsBound="true"><Parameter Name="b" Type="tcp.container_token"/></Action>
<EntityContainer Name="Container"><EntitySet Name="container_token" EntityType="tcp.container_token"/>
<ActionImport Name="request_token" Action="tcp.request_token"/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#;

#[test]
fn metadata_is_parsed_or_rejected_and_resolved_names_come_from_it() {
    assert!(Catalog::read(METADATA.as_bytes()).expect("valid").table("container_token").is_some());
    let spec = serde_json::json!({
        "url": "https://portal.example.com/indicium",
        "auth": {"type": "Basic", "basic": {"secretRef": {"name": "portal"}}},
    });
    let spec: Thinkwise = serde_json::from_value(spec).expect("a spec");
    let catalog = Catalog::read(METADATA.as_bytes()).expect("valid");
    resolve(&spec, &catalog).expect("it resolves unmodified");
    bolero::check!().with_type::<(Mutations, Mutations)>().for_each(|(one, two)| {
        let document = mutate_text(&mutate_text(METADATA, one), two);
        if let Ok(catalog) = Catalog::read(document.as_bytes()) {
            assert!(catalog.tables.iter().all(|table| document.contains(&table.name)), "{document}");
            match resolve(&spec, &catalog) {
                Ok(interface) => {
                    let names = [&interface.request.name, &interface.edit.name, &interface.revoke.name];
                    assert!(names.iter().all(|name| document.contains(*name)), "{document}");
                }
                Err(mismatch) => {
                    assert!(!mismatch.0.is_empty(), "an empty list of mismatches");
                    let messages: Vec<String> = mismatch.0.iter().map(ToString::to_string).collect();
                    assert!(messages.iter().all(|text| *text == strip_control(text)), "{messages:?}");
                }
            }
        }
    });
}
