//! Describes what a portal can do, and the limits that follow, as lines for people.

use crate::domain::model::capabilities::{Capabilities, LoginName, TokenHandle};
use std::time::Duration;

/// Name and text of each line.
#[must_use]
pub(crate) fn lines(capabilities: &Capabilities) -> Vec<(&'static str, String)> {
    let edit = if capabilities.edit {
        "descriptions can be edited; the operator's marker is removed once the token is stored"
    } else {
        "descriptions cannot be edited: a change counts from the next token on (EditUnsupported), and the operator's marker stays"
    };
    let handle = match capabilities.handle {
        TokenHandle::UniqueName => "by its name, which no other token has",
        TokenHandle::Marker => "by the marker in its description",
    };
    let username = match capabilities.login_name {
        LoginName::PerToken => "each token has its own, which is not known before the first request",
        LoginName::Shared => "the same for all tokens, so none can be imported (ImportFailed)",
    };
    let expiry = capabilities.expiry.map_or_else(
        || "tokens do not expire".to_owned(),
        |validity| format!("tokens expire after {}, and are rotated when a third of it is left", days(validity)),
    );
    let mut lines = vec![("edit", edit.to_owned())];
    if let Some(most) = capabilities.description_max {
        lines.push(("length", format!("at most {most} characters, including the operator's marker")));
    }
    lines.push(("lost response", format!("the token is found {handle}")));
    lines.push(("usernames", username.to_owned()));
    lines.push(("validity", expiry));
    let scope = match capabilities.projects {
        Some(_) => "an object can limit its token to some of the projects",
        None => "an object cannot limit its token (ScopeNotAllowed)",
    };
    lines.push(("spec.scope", scope.to_owned()));
    lines
}

fn days(validity: Duration) -> String {
    match validity.as_secs() / (24 * 3600) {
        1 => "1 day".to_owned(),
        many => format!("{many} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::capabilities::TokenList;

    fn of(edit: bool, expiry: Option<Duration>) -> String {
        let capabilities = Capabilities {
            edit,
            description_max: Some(255),
            handle: TokenHandle::UniqueName,
            login_name: LoginName::Shared,
            list: TokenList::NameOnly,
            expiry,
            projects: None,
        };
        lines(&capabilities).into_iter().map(|(name, text)| format!("{name} {text}")).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn limits_name_the_reason_that_the_status_will_have() {
        let text = of(false, None);
        for words in
            ["EditUnsupported", "ImportFailed", "ScopeNotAllowed", "255 characters", "by its name", "do not expire"]
        {
            assert!(text.contains(words), "{text}");
        }
        assert!(!of(true, None).contains("EditUnsupported"));
    }

    #[test]
    fn a_validity_is_told_in_days() {
        for (days, says) in [(1, "after 1 day,"), (90, "after 90 days,")] {
            let text = of(true, Some(Duration::from_hours(24 * days)));
            assert!(text.contains(says), "{text}");
        }
    }
}
