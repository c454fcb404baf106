//! What a token may access: the scope of an object, within that of its issuer.

use super::problem::Problem;
use super::problem::messages::terminal;
use crate::api::Reason;

/// Stands for all projects in an issuer's spec.
pub const ALL_PROJECTS: &str = "*";

/// The projects to which an issuer can limit a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerProjects(Vec<String>);

impl IssuerProjects {
    /// The projects of an issuer's spec, or [`ALL_PROJECTS`].
    #[must_use]
    pub fn new(projects: Vec<String>) -> Self {
        Self(projects)
    }

    /// Whether a token may be limited to this project.
    #[must_use]
    pub fn allows(&self, project: &str) -> bool {
        let is_name = project.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        is_name && self.0.iter().any(|one| one == ALL_PROJECTS || one == project)
    }
}

/// Why a token is not requested with this scope; an empty one is always possible. Without `allowed`, the portal cannot limit
/// tokens.
#[must_use]
pub fn scope_problem(projects: &[String], allowed: Option<&IssuerProjects>) -> Option<Problem> {
    if projects.is_empty() {
        return None;
    }
    let recreate = "create another RegistryToken, since scope cannot be changed";
    let Some(allowed) = allowed else {
        let message = format!(
            "spec.scope limits the token to projects, which the issuer's portal cannot do, so no token is requested: {recreate}"
        );
        return Some(terminal(Reason::ScopeNotAllowed, &message));
    };
    let refused = projects.iter().find(|one| !allowed.allows(one))?;
    let message = format!(
        "spec.scope.projects names {refused}, which the issuer does not allow, so no token is requested: add it to the issuer's projects, or {recreate}"
    );
    Some(terminal(Reason::ScopeNotAllowed, &message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(projects: &[&str], allowed: Option<&[&str]>) -> Option<String> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let allowed = allowed.map(|allowed| IssuerProjects::new(owned(allowed)));
        let problem = scope_problem(&owned(projects), allowed.as_ref())?;
        assert_eq!((problem.reason, problem.terminal), (Reason::ScopeNotAllowed, true));
        Some(problem.message)
    }

    #[test]
    fn a_scope_only_narrows_what_the_issuer_allows() {
        for (projects, allowed) in [
            (&[][..], None),
            (&[][..], Some(&["a"][..])),
            (&["a"][..], Some(&["a"][..])),
            (&["b"][..], Some(&["a", "b"][..])),
            (&["x"][..], Some(&["*"][..])),
        ] {
            assert_eq!(problem(projects, allowed), None, "{projects:?} of {allowed:?}");
        }
        for (projects, allowed, named) in [
            (&["b"][..], &["a"][..], "names b,"),
            (&["a", "b"][..], &["a"][..], "names b,"),
            (&["*"][..], &["a", "*"][..], "names *,"),
            (&["$(NAMESPACE)"][..], &["*"][..], "names $(NAMESPACE),"),
        ] {
            let message = problem(projects, Some(allowed)).expect("a problem");
            assert!(message.contains(named) && message.contains("issuer's projects"), "{message}");
        }
        let message = problem(&["a"], None).expect("a problem");
        assert!(message.contains("portal cannot do"), "{message}");
    }
}
