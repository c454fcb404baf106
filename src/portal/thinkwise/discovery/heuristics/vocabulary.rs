//! The meaning of names in English and in Dutch: some tables of the portal have Dutch names (documented).

/// The meaning of a name or of a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::portal::thinkwise) enum Concept {
    Token,
    /// A container registry.
    Registry,
    /// Requests something new.
    Request,
    /// Revokes something.
    Revoke,
    /// Changes something.
    Edit,
    /// The description that portal users see.
    Description,
    /// A name to log in with.
    Username,
    /// The password that is shown once.
    Secret,
    /// A confirmation flag.
    Confirm,
    /// A key.
    Id,
    /// Who changed a row and when: such columns contain user names too (documented as trace columns).
    Trace,
}

/// How clearly a name has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MatchStrength {
    /// Not at all.
    None,
    /// The name is ambiguous.
    Weak,
    /// The name can hardly mean anything else.
    Strong,
}

impl Concept {
    /// Word stems that clearly have this meaning, and those that may have it.
    const fn stems(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Token => (&["token"], &["credential", "toegang", "access", "sleutel"]),
            Self::Registry => (&["container", "registry", "docker", "image"], &["pull"]),
            Self::Request => (
                &["request", "aanvra", "creat", "generat", "genere", "aanmak"],
                &["new", "nieuw", "maak", "issue", "add", "toevoeg", "vraag"],
            ),
            Self::Revoke => (
                &["revo", "intrek", "delet", "verwijder", "remov", "withdraw", "ongeldig", "invalidat"],
                &["cancel", "annul", "blok", "block", "disabl", "destroy", "vernietig"],
            ),
            Self::Edit => (
                &["edit", "chang", "updat", "modif", "wijzig", "aanpas", "bewerk", "hernoem", "renam"],
                &["set", "zet", "save", "opslaan"],
            ),
            Self::Description => {
                (&["descri", "omschrijv", "beschrijv"], &["remark", "opmerking", "label", "naam", "name", "note"])
            }
            Self::Username => (
                &["username", "gebruikersnaam", "loginnam", "inlognaam"],
                &["user", "gebruiker", "login", "name", "naam"],
            ),
            Self::Secret => (
                &["secret", "geheim", "password", "wachtwoord"],
                &["token", "sleutel", "key", "credential", "value", "waarde"],
            ),
            Self::Confirm => (&["confirm", "bevestig", "akkoord", "agree"], &["sure", "zeker"]),
            Self::Id => (&[], &["id", "nr", "nummer", "number", "key", "guid", "uuid", "sleutel"]),
            Self::Trace => {
                (&["insert", "update", "creat", "modif", "gewijzigd", "aangemaakt", "changed"], &["by", "door"])
            }
        }
    }
}

/// How clearly a name has this meaning.
pub(crate) fn match_strength(name: &str, concept: Concept) -> MatchStrength {
    let words = split_words(name);
    let (strong, weak) = concept.stems();
    let joined = words.concat();
    let starts_word = |stem: &str| words.iter().any(|word| word.starts_with(stem));
    // In Dutch compounds a stem may be inside a word.
    if strong.iter().any(|stem| starts_word(stem) || stem.len() >= 5 && joined.contains(stem)) {
        return MatchStrength::Strong;
    }
    // Short stems match whole words only: every name with "user" would start with "us".
    let matches_word = |stem: &str| words.iter().any(|word| word == stem || stem.len() >= 5 && word.starts_with(stem));
    if weak.iter().any(|stem| matches_word(stem)) { MatchStrength::Weak } else { MatchStrength::None }
}

/// Whether a name can hardly mean anything else.
pub(in crate::portal::thinkwise) fn is_strong_match(name: &str, concept: Concept) -> bool {
    match_strength(name, concept) == MatchStrength::Strong
}

/// The words of a name in lower case, separated by underscores or capitals.
pub(crate) fn split_words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lowercase = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || was_lowercase && c.is_uppercase() {
            words.push(String::new());
        }
        was_lowercase = c.is_lowercase();
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_at_underscores_and_capitals() {
        assert_eq!(split_words("edit_token_description"), ["edit", "token", "description"]);
        assert_eq!(split_words("ContainerTokenID"), ["container", "token", "id"]);
        assert_eq!(split_words("__x"), ["x"]);
        assert!(split_words("").is_empty());
    }

    #[test]
    fn english_and_dutch_names_have_the_same_meaning() {
        for (name, concept) in [
            ("request_token", Concept::Request),
            ("token_aanvragen", Concept::Request),
            ("tokenaanvraag", Concept::Request),
            ("revoke_token", Concept::Revoke),
            ("token_revocation", Concept::Revoke),
            ("token_intrekken", Concept::Revoke),
            ("verwijder_token", Concept::Revoke),
            ("tokenomschrijving_wijzigen", Concept::Description),
            ("tokenomschrijving_wijzigen", Concept::Edit),
            ("tokenomschrijving_wijzigen", Concept::Token),
            ("user_name", Concept::Username),
            ("gebruikersnaam", Concept::Username),
            ("geheim", Concept::Secret),
            ("bevestigd", Concept::Confirm),
        ] {
            assert_eq!(match_strength(name, concept), MatchStrength::Strong, "{name} {concept:?}");
        }
        for (name, concept) in [
            ("naam", Concept::Username),
            ("name", Concept::Description),
            ("set_label", Concept::Edit),
            ("klant_id", Concept::Id),
        ] {
            assert_eq!(match_strength(name, concept), MatchStrength::Weak, "{name} {concept:?}");
        }
        for (name, concept) in [
            ("customer", Concept::Token),
            ("credit", Concept::Edit),
            ("reset_password", Concept::Edit),
            ("idea", Concept::Id),
            ("description", Concept::Username),
        ] {
            assert_eq!(match_strength(name, concept), MatchStrength::None, "{name} {concept:?}");
        }
    }
}
