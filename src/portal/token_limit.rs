//! Recognizes that a portal allows no further token.

use super::{Delivery, PortalError};
use crate::api::Reason;

/// What is limited.
const TOKENS: [&str; 4] = ["token", "credential", "robot", "api key"];
/// Words of a limit.
const LIMITS: [&str; 6] = ["limit", "quota", "maximum", "max ", "too many", "no more"];
/// Limits of something else: of requests in a time, and of a text.
const OTHERS: [&str; 6] = ["rate limit", "request limit", "requests per", "length", "character", "too long"];

/// Gives a rejected token request the reason `TokenLimitReached` if the portal says so.
///
/// Portals have no common error code for it, so the words of the message decide. A message that is taken for a limit by
/// mistake has another reason and a longer delay, and nothing else: the portal rejected the request in any case.
#[must_use]
pub(super) fn recognize(failure: PortalError) -> PortalError {
    let rejected = failure.delivery == Delivery::Rejected
        && matches!(failure.reason, Reason::RequestRejected | Reason::AccessDenied);
    if rejected && names_token_limit(&failure.message) {
        return PortalError { reason: Reason::TokenLimitReached, ..failure };
    }
    failure
}

/// The message begins with the operator's own words, which name the task or the portal's kind. Only what follows the
/// status is the portal's.
fn names_token_limit(message: &str) -> bool {
    let Some((_, own)) = message.split_once("): ") else { return false };
    let text = own.to_lowercase();
    let contains = |words: &[&str]| words.iter().any(|word| text.contains(word));
    contains(&LIMITS) && contains(&TOKENS) && !contains(&OTHERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason_of(delivery: Delivery, reason: Reason, message: &str) -> Reason {
        let failure =
            PortalError::new(delivery, reason, format!("the portal rejected the task x (HTTP 422): {message}"));
        recognize(failure).reason
    }

    #[test]
    fn a_limit_of_tokens_is_recognized_by_the_words_of_the_portal() {
        for message in [
            "Maximum number of tokens reached",
            "Your organization has reached its limit of 10 access tokens.",
            "Quota exceeded: robot accounts",
            "Too many credentials for this customer",
            "No more tokens are available",
        ] {
            for reason in [Reason::RequestRejected, Reason::AccessDenied] {
                assert_eq!(reason_of(Delivery::Rejected, reason, message), Reason::TokenLimitReached, "{message}");
            }
        }
    }

    #[test]
    fn other_limits_are_not_a_limit_of_tokens() {
        for message in [
            "The description of the token has a maximum length of 60",
            "The token's description is limited to 60 characters",
            "rate limit of token requests exceeded",
            "The token already exists",
            "Storage quota exceeded",
            "",
        ] {
            let reason = reason_of(Delivery::Rejected, Reason::RequestRejected, message);
            assert_eq!(reason, Reason::RequestRejected, "{message}");
        }
    }

    #[test]
    fn a_request_that_may_have_been_carried_out_keeps_its_reason() {
        let message = "Maximum number of tokens reached";
        for reason in [Reason::PortalError, Reason::RequestRejected, Reason::AccessDenied] {
            assert_eq!(reason_of(Delivery::Unknown, reason, message), reason);
        }
        assert_eq!(reason_of(Delivery::Rejected, Reason::RateLimited, message), Reason::RateLimited);
        let own_words = PortalError::new(Delivery::Rejected, Reason::RequestRejected, "limit of tokens (HTTP 400)");
        assert_eq!(recognize(own_words).reason, Reason::RequestRejected);
    }
}
