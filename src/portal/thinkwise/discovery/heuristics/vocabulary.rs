//! What names say, in English and in Dutch: some tables of the portal have Dutch names (documented).

/// What a name can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::portal::thinkwise) enum Concept {
    /// A token.
    Token,
    /// Of a container registry.
    Registry,
    /// Asks for something new.
    Request,
    /// Takes something back.
    Revoke,
    /// Changes something.
    Edit,
    /// What colleagues see.
    Description,
    /// A name to log in with.
    Username,
    /// What is shown once.
    Secret,
    /// A flag: yes, I am sure.
    Confirm,
    /// A key.
    Id,
    /// Who changed a row and when: such columns name users too (documented as trace columns).
    Trace,
}

/// How clearly a name says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MatchStrength {
    /// Not at all.
    None,
    /// It may mean that, or something else.
    Weak,
    /// It can hardly mean anything else.
    Strong,
}

impl Concept {
    /// Beginnings of words that say this clearly, and those that may say it.
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

/// How clearly a name says this.
pub(crate) fn match_strength(name: &str, concept: Concept) -> MatchStrength {
    let words = split_words(name);
    let (clear, vague) = concept.stems();
    let joined = words.concat();
    let begins = |stem: &str| words.iter().any(|word| word.starts_with(stem));
    // In compounds as Dutch makes them a stem is somewhere inside.
    if clear.iter().any(|stem| begins(stem) || stem.len() >= 5 && joined.contains(stem)) {
        return MatchStrength::Strong;
    }
    // Short ones only as whole words: every name with "user" would begin with "us".
    let says = |stem: &str| words.iter().any(|word| word == stem || stem.len() >= 5 && word.starts_with(stem));
    if vague.iter().any(|stem| says(stem)) { MatchStrength::Weak } else { MatchStrength::None }
}

/// Whether a name can hardly mean anything else.
pub(in crate::portal::thinkwise) fn is_strong_match(name: &str, concept: Concept) -> bool {
    match_strength(name, concept) == MatchStrength::Strong
}

/// The words of a name, in lower case: parted by underscores, or by capitals.
pub(crate) fn split_words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || small && c.is_uppercase() {
            words.push(String::new());
        }
        small = c.is_lowercase();
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
    fn a_name_is_parted_at_underscores_and_capitals() {
        assert_eq!(split_words("edit_token_description"), ["edit", "token", "description"]);
        assert_eq!(split_words("ContainerTokenID"), ["container", "token", "id"]);
        assert_eq!(split_words("__x"), ["x"]);
        assert!(split_words("").is_empty());
    }

    #[test]
    fn english_and_dutch_names_say_the_same() {
        for (name, meaning) in [
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
            assert_eq!(match_strength(name, meaning), MatchStrength::Strong, "{name} {meaning:?}");
        }
        for (name, meaning) in [
            ("naam", Concept::Username),
            ("name", Concept::Description),
            ("set_label", Concept::Edit),
            ("klant_id", Concept::Id),
        ] {
            assert_eq!(match_strength(name, meaning), MatchStrength::Weak, "{name} {meaning:?}");
        }
        for (name, meaning) in [
            ("customer", Concept::Token),
            ("credit", Concept::Edit),
            ("reset_password", Concept::Edit),
            ("idea", Concept::Id),
            ("description", Concept::Username),
        ] {
            assert_eq!(match_strength(name, meaning), MatchStrength::None, "{name} {meaning:?}");
        }
    }
}
