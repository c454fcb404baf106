//! What names say, in English and in Dutch: some tables of the portal have Dutch names (documented).

/// What a name can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum Meaning {
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
pub(super) enum Clarity {
    /// Not at all.
    Silent,
    /// It may mean that, or something else.
    Vague,
    /// It can hardly mean anything else.
    Clear,
}

impl Meaning {
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
pub(super) fn clarity(name: &str, meaning: Meaning) -> Clarity {
    let words = words(name);
    let (clear, vague) = meaning.stems();
    let joined = words.concat();
    let begins = |stem: &str| words.iter().any(|word| word.starts_with(stem));
    // In compounds as Dutch makes them a stem is somewhere inside.
    if clear.iter().any(|stem| begins(stem) || stem.len() >= 5 && joined.contains(stem)) {
        return Clarity::Clear;
    }
    // Short ones only as whole words: every name with "user" would begin with "us".
    let says = |stem: &str| words.iter().any(|word| word == stem || stem.len() >= 5 && word.starts_with(stem));
    if vague.iter().any(|stem| says(stem)) { Clarity::Vague } else { Clarity::Silent }
}

/// Whether a name can hardly mean anything else.
pub(in super::super) fn is_clear(name: &str, meaning: Meaning) -> bool {
    clarity(name, meaning) == Clarity::Clear
}

/// The words of a name, in lower case: parted by underscores, or by capitals.
pub(super) fn words(name: &str) -> Vec<String> {
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
        assert_eq!(words("edit_token_description"), ["edit", "token", "description"]);
        assert_eq!(words("ContainerTokenID"), ["container", "token", "id"]);
        assert_eq!(words("__x"), ["x"]);
        assert!(words("").is_empty());
    }

    #[test]
    fn english_and_dutch_names_say_the_same() {
        for (name, meaning) in [
            ("request_token", Meaning::Request),
            ("token_aanvragen", Meaning::Request),
            ("tokenaanvraag", Meaning::Request),
            ("revoke_token", Meaning::Revoke),
            ("token_revocation", Meaning::Revoke),
            ("token_intrekken", Meaning::Revoke),
            ("verwijder_token", Meaning::Revoke),
            ("tokenomschrijving_wijzigen", Meaning::Description),
            ("tokenomschrijving_wijzigen", Meaning::Edit),
            ("tokenomschrijving_wijzigen", Meaning::Token),
            ("user_name", Meaning::Username),
            ("gebruikersnaam", Meaning::Username),
            ("geheim", Meaning::Secret),
            ("bevestigd", Meaning::Confirm),
        ] {
            assert_eq!(clarity(name, meaning), Clarity::Clear, "{name} {meaning:?}");
        }
        for (name, meaning) in [
            ("naam", Meaning::Username),
            ("name", Meaning::Description),
            ("set_label", Meaning::Edit),
            ("klant_id", Meaning::Id),
        ] {
            assert_eq!(clarity(name, meaning), Clarity::Vague, "{name} {meaning:?}");
        }
        for (name, meaning) in [
            ("customer", Meaning::Token),
            ("credit", Meaning::Edit),
            ("reset_password", Meaning::Edit),
            ("idea", Meaning::Id),
            ("description", Meaning::Username),
        ] {
            assert_eq!(clarity(name, meaning), Clarity::Silent, "{name} {meaning:?}");
        }
    }
}
