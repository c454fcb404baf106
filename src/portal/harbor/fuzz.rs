//! What holds for every response of Harbor.

use super::errors::message;
use super::list::{project_id, robots};
use super::robots::{edited_robot, issued_token};
use crate::domain::model::token::TokenRef;
use crate::fuzz_support::{Mutations, choose, mutate};
use crate::portal::rest::is_id;
use crate::portal::token_name::TokenName;
use crate::sanitize::fuzz::assert_sanitized;

const NAME: &str = "rtok-abcdefgh-abcdefghabcd";

const SEEDS: [&str; 5] = [
    r#"{"id":1,"name":"robot$apps+rtok-abcdefgh-abcdefghabcd","secret":"hush","expires_at":-1,"creation_time":"2030-01-01T00:00:00Z"}"#,
    r#"[{"id":1,"name":"robot$apps+x","description":"prod [a/b]","permissions":[]},{"id":2,"name":"robot$y"}]"#,
    r#"{"errors":[{"code":"CONFLICT","message":"robot account 1:apps+x already exists"}]}"#,
    r#"{"project_id":3,"name":"apps","owner_name":"admin"}"#,
    r#"{"id":9223372036854775807,"name":"","secret":"\u0000"}"#,
];

#[test]
fn no_response_leads_to_a_token_that_cannot_be_recorded() {
    bolero::check!().with_type::<(u8, Mutations)>().for_each(|(seed, changes)| {
        let body = mutate(choose(&SEEDS, *seed), changes);
        if let Ok(token) = issued_token(&body, NAME) {
            let id = token.id.expect("an id");
            assert!(is_id(&id) && TokenName::parse(&id).is_ok(), "{id}");
            assert!(TokenName::parse(&token.username).is_ok() && token.username.ends_with(NAME));
        }
        let _ = robots(&body);
        if let Ok(id) = project_id(&body, "apps") {
            assert!(id > 0);
        }
        let token = TokenRef { id: "1".to_owned(), username: "robot$y".to_owned() };
        if let Ok(robot) = edited_robot(&body, &token, "prod") {
            assert_eq!((&robot["id"], &robot["description"]), (&1.into(), &"prod".into()));
        }
        if let Some(text) = message(&body) {
            assert_sanitized(&text);
        }
    });
}
