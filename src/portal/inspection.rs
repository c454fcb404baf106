//! What a portal says about a login, for people. Commands read it with a few calls one after the other, which change nothing
//! and need no limiter.

use super::{Portal, PortalError, PortalInterface, PortalSettings};
use crate::domain::model::token::RowQuery;
use crate::sanitize::{sanitize, strip_control};

/// What a portal is inspected with.
#[derive(Debug)]
pub struct InspectionSettings<'a> {
    pub portal: PortalSettings<'a>,
    /// The source of the credentials for messages, if it is not the issuer's Secret.
    pub credentials_source: Option<String>,
}

/// A line about a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is about, such as `login`.
    pub name: &'static str,
    /// Human-readable, without control characters.
    pub text: String,
}

/// What is known of an issuer's login before the first request.
#[derive(Debug, Default)]
pub struct Inspection {
    pub facts: Vec<Fact>,
    /// What prevents the issuer from working, with what to do.
    pub problems: Vec<String>,
    /// How the portal is used, if the login is accepted.
    pub interface: Option<PortalInterface>,
}

impl Inspection {
    /// Adds a line. It may contain text of the portal.
    pub(super) fn add_fact(&mut self, name: &'static str, text: impl AsRef<str>) {
        self.facts.push(Fact { name, text: sanitize(text.as_ref()) });
    }

    /// Adds a line with what the portal says, or else that it is not known, and why.
    pub(super) fn add_or_unknown(&mut self, name: &'static str, text: Result<String, &str>) {
        match text {
            Ok(text) => self.add_fact(name, text),
            Err(why) => self.add_unknown(name, why),
        }
    }

    /// Adds a line that says why something is not known.
    pub(super) fn add_unknown(&mut self, name: &'static str, why: &str) {
        self.add_fact(name, format!("not known: {why}"));
    }

    /// Adds a problem once: the same failure may concern several reads. It may contain text of the portal.
    pub(super) fn add_problem(&mut self, problem: impl AsRef<str>) {
        let problem = strip_control(problem.as_ref());
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Reads how the portal is used and whether its list can be read.
    pub(super) async fn read_list(&mut self, portal: &dyn Portal) {
        match portal.resolve().await {
            Ok(interface) => self.interface = Some(interface),
            Err(failure) => self.add_problem(failure.message),
        }
        match portal.list(&RowQuery::Probe).await {
            Ok(_) => self.add_fact("list", "can be read"),
            Err(failure) => {
                self.add_fact("list", "cannot be read");
                self.add_problem(failure.message);
            }
        }
    }
}

/// What a login may manage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The tokens of this user.
    User(String),
    /// The tokens of a project. The registry is the part in front of the names of its images, if the portal says so.
    Project { name: String, registry: Option<String> },
    /// The tokens of a group.
    Group { name: String, registry: Option<String> },
    /// The tokens of the whole portal.
    System,
}

/// The places that a login may manage, and who it is.
#[derive(Debug, Default)]
pub struct Places {
    /// Who logs in; human-readable.
    pub login: String,
    pub places: Vec<Place>,
    /// Whether there may be others: lists are read up to a limit.
    pub is_partial: bool,
}

impl Places {
    /// Leaves out what nobody can read as it is, such as names with control characters: they would be in a manifest.
    #[must_use]
    pub fn without_hidden_characters(mut self) -> Self {
        let length = self.places.len();
        let is_plain = |text: &String| strip_control(text) == *text;
        self.places.retain(|place| match place {
            Place::System => true,
            Place::User(name) => is_plain(name),
            Place::Project { name, registry } | Place::Group { name, registry } => {
                is_plain(name) && registry.as_ref().is_none_or(is_plain)
            }
        });
        self.is_partial |= self.places.len() < length;
        self.login = sanitize(&self.login);
        self
    }
}

/// The result of reading places.
pub type PlacesResult = Result<Places, PortalError>;

#[cfg(test)]
mod fuzz {
    use super::*;
    use crate::sanitize::fuzz::assert_sanitized;

    #[test]
    fn no_text_of_a_portal_is_shown_as_it_is() {
        bolero::check!().with_type::<String>().for_each(|text| {
            let mut inspection = Inspection::default();
            inspection.add_fact("login", text);
            inspection.add_or_unknown("version", Ok(text.clone()));
            inspection.add_problem(text);
            inspection.add_problem(text);
            for fact in &inspection.facts {
                assert_sanitized(&fact.text);
            }
            assert_eq!(inspection.problems, [strip_control(text)]);
            let named =
                [Place::User(text.clone()), Place::Project { name: "a".to_owned(), registry: Some(text.clone()) }];
            let places = Places { login: text.clone(), places: named.into(), is_partial: false };
            let places = places.without_hidden_characters();
            assert_sanitized(&places.login);
            let expected = if strip_control(text) == *text { (2, false) } else { (0, true) };
            assert_eq!((places.places.len(), places.is_partial), expected);
        });
    }
}
