//! What holds for every response of GitLab.

use super::errors::message;
use super::list::{token, tokens};
use super::tokens::issued_token;
use crate::fuzz_support::{Mutations, choose, mutate};
use crate::portal::rest::is_id;
use crate::portal::token_name::TokenName;
use crate::sanitize::fuzz::assert_sanitized;

const SEEDS: [&str; 5] = [
    r#"{"id":1,"name":"prod [a/b]","username":"gitlab+deploy-token-1","expires_at":"2030-01-01T00:00:00.000Z","token":"hush"}"#,
    r#"[{"id":1,"name":"prod [a/b]","username":"u","revoked":false,"expired":false},{"id":2,"name":"x","username":"v"}]"#,
    r#"{"message":{"base":["Scopes can't be blank"]}}"#,
    r#"{"error":"scopes does not have a valid value"}"#,
    r#"{"id":9223372036854775807,"name":"","username":"","token":"\u0000"}"#,
];

#[test]
fn no_response_leads_to_a_token_that_cannot_be_recorded() {
    bolero::check!().with_type::<(u8, Mutations)>().for_each(|(seed, changes)| {
        let body = mutate(choose(&SEEDS, *seed), changes);
        if let Ok(token) = issued_token(&body, "prod [a/b]") {
            let id = token.id.expect("an id");
            assert!(is_id(&id) && TokenName::parse(&id).is_ok(), "{id}");
            assert!(TokenName::parse(&token.username).is_ok());
        }
        let _ = tokens(&body);
        let _ = token(&body);
        if let Some(text) = message(&body) {
            assert_sanitized(&text);
        }
    });
}
