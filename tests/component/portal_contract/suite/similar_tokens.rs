//! Tokens of another client whose names or descriptions resemble ours.

use super::stage::{Stage, described, own};
use crate::portal_faults::marker;
use registry_token_operator::domain::model::marker::{IssuerTag, Marker};

pub async fn a_similar_token_of_another_client_is_not_found_by_the_marker(stage: &Stage) {
    let ours = marker('a');
    let of_other_issuer = Marker::new(IssuerTag::of("another issuer"), ours.nonce().clone());
    let similar = [
        own("test"),
        described('b'),
        of_other_issuer.append_to(&own("test")),
        // As part of a longer word, and with text after it.
        own(&format!("test {ours}x")),
        own(&format!("test {ours}.")),
        own(&format!("{ours} test")),
        own(&format!("test {ours} {}", marker('c'))),
        own(&format!("test {}", ours.to_string().to_uppercase())),
        // A part of it.
        own(&format!("test {}", ours.nonce())),
        own(&format!("test {}", ours.to_string().trim_end_matches(']'))),
        own(&format!("test {}", ours.to_string().replace('/', ""))),
        own(&format!("test {}", ours.token_name())),
    ];
    for description in &similar {
        stage.portal.add(description).await;
    }
    assert_eq!(stage.found('a').await, Vec::<String>::new(), "of the tokens of another client");
    let token = stage.request('a').await;
    assert_eq!(stage.found('a').await, std::slice::from_ref(&token.id));
    assert_eq!(stage.own().await.len(), similar.len() + 1);
    stage.client.revoke(&token).await.expect("revoked");
    assert_eq!(stage.own().await.len(), similar.len(), "the tokens of another client stay");
}
