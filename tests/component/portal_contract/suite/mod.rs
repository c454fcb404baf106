//! What every portal's client has to do, tested through the trait `Portal` alone, whichever portal it is. Where portals
//! differ, their `Capabilities` or [`Traits`](under_test::Traits) say so, and the suite asserts what they say.
//!
//! `tests/component` runs it against fake portals, and `tests/real` against real ones: a proxy in front of the portal
//! injects the faults. `contract_tests!` makes one test of each case for a portal.

#![allow(dead_code, reason = "several test binaries include this module, and each uses its own portals")]

pub mod bodies;
mod captured_logs;
pub mod credentials;
pub mod delays;
pub mod duplicates;
pub mod gitea;
pub mod gitlab;
pub mod harbor;
pub mod lifecycle;
pub mod list_lag;
pub mod lost_answers;
pub mod pages;
pub mod revocation;
pub mod server;
pub mod similar_tokens;
pub mod stage;
pub mod token_limit;
pub mod under_test;

/// One test of each case, for the portal that this function starts.
macro_rules! contract_tests {
    ($start:path) => {
        contract_tests! { $start;
            bodies::a_list_that_cannot_be_read_is_no_empty_list,
            bodies::a_request_whose_response_cannot_be_read_may_have_created_a_token,
            bodies::a_redirect_is_not_followed_and_proves_nothing,
            bodies::a_rejection_of_another_program_proves_nothing,
            credentials::rejected_credentials_are_reported_and_renewed_ones_work,
            delays::the_delay_that_a_rejected_request_asks_for_is_reported,
            delays::the_delay_that_a_rejected_read_asks_for_is_reported,
            duplicates::a_request_that_is_delivered_twice,
            duplicates::a_request_that_is_sent_again,
            lifecycle::a_token_is_requested_found_and_revoked,
            lifecycle::a_description_is_edited_or_the_edit_is_refused_unsent,
            lifecycle::a_scope_that_is_not_allowed_is_refused_unsent,
            lifecycle::a_token_is_found_by_its_username_if_it_has_one_of_its_own,
            list_lag::a_token_that_the_list_shows_later_is_found_later,
            lost_answers::a_request_that_is_lost_before_the_effect,
            lost_answers::a_request_whose_answer_is_lost_after_the_effect,
            lost_answers::a_revocation_that_is_lost_before_or_after_the_effect,
            lost_answers::an_edit_that_is_lost_before_or_after_the_effect,
            pages::every_token_is_found_at_every_border_of_a_page,
            pages::a_deletion_between_two_pages_hides_no_token,
            revocation::a_second_revocation_changes_nothing,
            revocation::an_unknown_token_is_not_revoked,
            similar_tokens::a_similar_token_of_another_client_is_not_found_by_the_marker,
            token_limit::a_portal_that_allows_no_further_token_says_so,
        }
    };
    ($start:path; $($topic:ident::$case:ident,)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                match $start().await {
                    Ok(portal) => {
                        let stage = suite::stage::Stage::new(portal).await;
                        suite::$topic::$case(&stage).await;
                        stage.end().await;
                    }
                    Err(missing) => println!("skipped: {missing}"),
                }
            }
        )*
    };
}
