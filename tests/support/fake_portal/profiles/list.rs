//! The profiles themselves.

use super::{Auth, Profile};
use crate::fake_portal::config::{Config, NextLink};
use crate::fake_portal::forms::{BoundTo, Form, Forms, Location};
use crate::fake_portal::habits::Habits;
use crate::fake_portal::keys::{FixedPart, KeyKind, KeyShape};
use crate::fake_portal::names::Names;

const fn basic(name: &'static str, about: &'static str, config: fn() -> Config) -> Profile {
    Profile { name, about, auth: Auth::Basic, config }
}

pub(super) const PROFILES: &[Profile] = &[
    basic("unbound", "unbound tasks, each in one request", Config::default),
    basic("bound", "tasks bound to a row, each in one request", || formed(Forms::all(Form::Bound))),
    basic("staged", "tasks bound to a row, staged, patched and committed", || formed(Forms::all(Form::BoundStaged))),
    basic("unbound-staged", "unbound tasks, staged, patched and committed", || formed(Forms::all(Form::UnboundStaged))),
    basic("several-instances", "staged tasks that start a process flow, in one of several instances", || Config {
        habits: Habits { affinity: true, ..Habits::default() },
        ..formed(Forms::all(Form::BoundStaged).with_flows())
    }),
    basic("flow", "unbound tasks that start a process flow; the password is in the resource that it waits for", || {
        formed(Forms::default().with_flows())
    }),
    basic("bound-flow", "tasks bound to a row, in one request, that start a process flow", || {
        formed(Forms::all(Form::Bound).with_flows())
    }),
    basic("staged-flow", "tasks bound to a row, staged, that start a process flow", || {
        formed(Forms::all(Form::BoundStaged).with_flows())
    }),
    basic("dutch", "Dutch names, a customer's id in the key, a confirmation, the id in the response", dutch),
    basic("customer", "a customer's id in the key and a parameter of every task", customer),
    basic("guid-keys", "GUIDs as keys, each task in another form", || keyed(KeyKind::Guid)),
    basic("string-keys", "texts with every character that needs escaping as keys, each task in another form", || {
        keyed(KeyKind::Text)
    }),
    basic("row-keys", "64-bit ids, and a part of the key that has to be read from the row", row_keys),
    basic("capped-pages", "three rows per page, even if more are requested; relative links", capped_pages),
    basic("absolute-links", "staged tasks and small pages, with absolute addresses everywhere", absolute_links),
    Profile {
        name: "client-credentials",
        about: "OAuth2 client credentials, and no users with a password",
        auth: Auth::ClientCredentials,
        config: Config::default,
    },
    basic("list-hidden", "the table is not visible to the operator's user; tasks take the username", list_hidden),
    basic("trimming", "descriptions are normalized: blanks are trimmed, the first letter is capitalized", || Config {
        tidy_descriptions: true,
        description_max_length: Some(120),
        ..Config::default()
    }),
    basic("case-insensitive", "texts are compared case-insensitively", || Config {
        ignore_case: true,
        ..Config::default()
    }),
    basic("old-platform", "no pages, nulls shown, errors in arrays, other status codes", old_platform),
    basic("hostile-usernames", "usernames with a dollar, a plus, quotes, a blank and an accent", || Config {
        username_prefix: "robot$tw+\"'é ".to_owned(),
        ..Config::default()
    }),
];

fn formed(forms: Forms) -> Config {
    Config { forms, ..Config::default() }
}

/// The known tables of the real portal have Dutch names and a customer's id (documented).
fn dutch() -> Config {
    let key = vec![FixedPart::new("klant_id", 42), FixedPart::new("product_id", 7)];
    let bound_to = BoundTo { table: "klant_product".to_owned(), key };
    Config {
        names: Names::dutch(),
        key: KeyShape { fixed: vec![FixedPart::new("klant_id", 42)], ..KeyShape::default() },
        forms: Forms { bound_to, ..Forms::all(Form::Bound) },
        description_max_length: Some(200),
        ..Config::default()
    }
}

fn customer() -> Config {
    let fixed = vec![FixedPart::new("klant_id", 42)];
    let mut forms = Forms::default();
    for task in [&mut forms.request, &mut forms.edit, &mut forms.revoke] {
        task.fixed.clone_from(&fixed);
    }
    Config { key: KeyShape { fixed, ..KeyShape::default() }, ..formed(forms) }
}

fn keyed(kind: KeyKind) -> Config {
    let mut forms = Forms::default();
    forms.edit.form = Form::Bound;
    forms.revoke.form = Form::BoundStaged;
    Config { key: KeyShape { kind, ..KeyShape::default() }, ..formed(forms) }
}

fn row_keys() -> Config {
    let varying = Some("container_registry_id".to_owned());
    let key = KeyShape { kind: KeyKind::Long, varying, ..KeyShape::default() };
    Config { key, ..formed(Forms::all(Form::Bound)) }
}

/// Platform 2026.1 and newer limit a page to 1,000 rows (documented).
fn capped_pages() -> Config {
    Config { page_size: 3, relative_next_link: true, translated_messages: true, ..Config::default() }
}

fn absolute_links() -> Config {
    let forms = Forms { location: Location::Absolute, ..Forms::all(Form::BoundStaged) };
    Config { page_size: 3, next_link: NextLink::Skip, ..formed(forms) }
}

fn list_hidden() -> Config {
    Config { names: Names::by_username(), table_hidden: true, ..Config::default() }
}

fn old_platform() -> Config {
    Config {
        page_size: usize::MAX,
        show_nulls: true,
        messages_as_array: true,
        translated_messages: true,
        client_refusal: 400,
        refusal_status: 422,
        forms: Forms { location: Location::Relative, ..Forms::default() },
        ..Config::default()
    }
}
