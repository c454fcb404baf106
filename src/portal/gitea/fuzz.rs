//! What holds for every response of Gitea.

use super::errors::message;
use super::list::tokens;
use super::tokens::issued_token;
use crate::fuzz_support::{Mutations, choose, mutate};
use crate::portal::rest::is_id;
use crate::portal::token_name::TokenName;
use crate::sanitize::fuzz::assert_sanitized;

const SEEDS: [&str; 4] = [
    r#"{"id":1,"name":"prod [a/b]","sha1":"hush","token_last_eight":"hush","scopes":["read:package"]}"#,
    r#"[{"id":1,"name":"prod [a/b]","sha1":"","token_last_eight":"hush"},{"id":2,"name":"x","sha1":""}]"#,
    r#"{"message":"access token name has been used already","url":"https://git.example.com/api/swagger"}"#,
    r#"{"id":9223372036854775807,"name":"","sha1":"\u0000"}"#,
];

#[test]
fn no_response_leads_to_a_token_that_cannot_be_recorded() {
    bolero::check!().with_type::<(u8, Mutations)>().for_each(|(seed, changes)| {
        let body = mutate(choose(&SEEDS, *seed), changes);
        if let Ok(token) = issued_token(&body, "prod [a/b]", "bot") {
            let id = token.id.expect("an id");
            assert!(is_id(&id) && TokenName::parse(&id).is_ok(), "{id}");
        }
        let _ = tokens(&body);
        if let Some(text) = message(&body) {
            assert_sanitized(&text);
        }
    });
}
