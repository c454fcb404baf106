//! Each profile matches its description, and its issuer spec contains all that a client needs.

use super::driver::Driver;
use crate::fake_portal::{FakePortal, Operation, Profile};
use serde_json::Value;
use std::collections::BTreeSet;

#[tokio::test]
async fn each_profile_works_for_a_client_with_its_spec() {
    for profile in Profile::all() {
        let portal = FakePortal::start(profile.config()).await;
        let ledger = portal.ledger();
        for number in 0..5 {
            ledger.add_as_colleague(Some(&format!("colleague {number}")));
        }
        let driver = Driver::new(profile, &portal).await;
        let mut mine = driver.request("prod-eu,  team-a [abc/def]").await;
        let token = ledger.live().pop().unwrap();
        assert_eq!((&mine.username, &mine.secret), (&token.username, &token.secret), "{}", profile.name);
        driver.edit(&mut mine, "prod-eu").await;
        let description = ledger.token(token.id).unwrap().description;
        assert_eq!(description, Some(portal.config().stored("prod-eu")), "{}", profile.name);
        driver.revoke(&mine).await;
        assert_eq!(ledger.live().len(), 5, "{}", profile.name);
        for task in [Operation::Request, Operation::Edit, Operation::Revoke] {
            assert_eq!((ledger.count(task), ledger.applied(task)), (1, 1), "{} {task:?}", profile.name);
        }
        let other = (ledger.count(Operation::Other), ledger.open_flows(), ledger.staged());
        assert_eq!(other, (0, 0, 0), "{}", profile.name);
        assert_eq!(
            ledger.flows() > 0,
            (profile.name.ends_with("flow") || profile.name == "several-instances"),
            "{}",
            profile.name
        );
    }
}

#[tokio::test]
async fn a_minimal_spec_is_part_of_the_pinned_one() {
    let mut names = BTreeSet::new();
    for profile in Profile::all() {
        assert!(names.insert(profile.name) && !profile.about.is_empty() && !profile.about.contains('\n'));
        assert!(Profile::named(profile.name).is_some_and(|found| found.about == profile.about));
        let portal = FakePortal::start(profile.config()).await;
        let (minimal, pinned) = (profile.minimal(&portal), profile.pinned(&portal));
        within(&minimal, &pinned, profile.name);
        let names = |spec: &Value| spec.to_string().matches("\"name\":").count();
        assert!(names(&minimal) < names(&pinned), "{}", profile.name);
        assert_eq!(minimal.get("tasks").is_some(), needs_help(profile.name), "{}: {minimal}", profile.name);
    }
    assert!(Profile::named("nonsense").is_none());
}

/// Whether a fact about the tasks is missing from `$metadata`.
fn needs_help(name: &str) -> bool {
    matches!(
        name,
        "bound"
            | "staged"
            | "several-instances"
            | "bound-flow"
            | "staged-flow"
            | "dutch"
            | "customer"
            | "row-keys"
            | "absolute-links"
    )
}

fn within(part: &Value, whole: &Value, path: &str) {
    match part {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let found = whole.get(name).unwrap_or_else(|| panic!("{path}.{name} is not in the pinned spec"));
            within(value, found, &format!("{path}.{name}"));
        }),
        _ => assert_eq!(part, whole, "{path}"),
    }
}

#[tokio::test]
async fn each_profile_survives_the_control_interface() {
    for profile in Profile::all() {
        let config = profile.config();
        let text = serde_json::to_value(&config).unwrap();
        let back = config.overlaid(text.clone()).unwrap();
        assert_eq!(serde_json::to_value(&back).unwrap(), text, "{}", profile.name);
    }
}
