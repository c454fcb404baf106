//! Which objects are shown, and that no number and no name of objects makes a scrape large.

use super::*;
use crate::metrics::{Format, LoginOutcome, Metrics, PortalOperation, PortalOutcome, TokenSummary};
use std::time::Duration;

#[derive(Clone)]
struct Object {
    namespace: String,
    name: String,
    ready: ReadyStatus,
    next_rotation: Option<i64>,
}

impl ShownObject for Object {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn ready(&self) -> ReadyStatus {
        self.ready
    }

    fn next_rotation(&self) -> Option<i64> {
        self.next_rotation
    }
}

fn object(name: &str, ready: ReadyStatus) -> Object {
    Object { namespace: "team".to_owned(), name: name.to_owned(), ready, next_rotation: Some(1_795_500_000) }
}

fn showing(limit: usize, objects: Vec<Object>) -> Metrics {
    let metrics = Metrics::with_objects(limit);
    metrics.show_objects(move || {
        Some(objects.iter().map(|object| Arc::new(object.clone()) as Arc<dyn ShownObject>).collect())
    });
    metrics
}

/// The lines about single objects, without the common prefix.
fn lines(metrics: &Metrics) -> Vec<String> {
    let text = metrics.text();
    let ours = text.lines().filter_map(|line| line.strip_prefix("registry_token_operator_registrytoken"));
    ours.map(str::to_owned).collect()
}

#[test]
fn readiness_and_next_rotation_of_each_object_are_shown() {
    let suspended = Object { next_rotation: None, ..object("b", ReadyStatus::Unknown) };
    let metrics = showing(10, vec![object("a", ReadyStatus::True), suspended]);
    let expected = [
        "_ready_status{namespace=\"team\",name=\"a\",condition=\"True\"} 1",
        "_ready_status{namespace=\"team\",name=\"a\",condition=\"False\"} 0",
        "_ready_status{namespace=\"team\",name=\"a\",condition=\"Unknown\"} 0",
        "_ready_status{namespace=\"team\",name=\"b\",condition=\"True\"} 0",
        "_ready_status{namespace=\"team\",name=\"b\",condition=\"False\"} 0",
        "_ready_status{namespace=\"team\",name=\"b\",condition=\"Unknown\"} 1",
        "_next_rotation_timestamp_seconds{namespace=\"team\",name=\"a\"} 1795500000",
        "s_left_out 0",
    ];
    assert_eq!(lines(&metrics), expected);
}

#[test]
fn objects_that_are_not_ready_are_shown_first_and_the_rest_is_counted() {
    let mut objects: Vec<Object> = (0..50).map(|one| object(&format!("n{one:02}"), ReadyStatus::True)).collect();
    objects[40].ready = ReadyStatus::False;
    objects[45].ready = ReadyStatus::Unknown;
    let metrics = showing(4, objects);
    let mut shown: Vec<String> = lines(&metrics).iter().filter(|line| line.starts_with("_next")).cloned().collect();
    shown.sort_unstable();
    let expected = ["n00", "n01", "n40", "n45"]
        .map(|name| format!("_next_rotation_timestamp_seconds{{namespace=\"team\",name=\"{name}\"}} 1795500000"));
    assert_eq!(shown, expected);
    assert_eq!(lines(&metrics).last().map(String::as_str), Some("s_left_out 46"));
}

#[test]
fn nothing_is_asked_and_nothing_is_shown_when_it_is_off() {
    let metrics = Metrics::default();
    metrics.show_objects(|| panic!("the objects are not needed"));
    assert!(lines(&metrics).is_empty() && !metrics.text().contains("registrytoken_ready"), "{}", metrics.text());
    assert!(!metrics.names().iter().any(|name| NAMES.contains(name)));
}

#[test]
fn an_instance_that_does_not_know_the_objects_shows_none() {
    let metrics = Metrics::with_objects(10);
    assert!(lines(&metrics).is_empty(), "before the caches exist");
    metrics.show_objects(|| None);
    assert!(lines(&metrics).is_empty(), "on a standby");
}

/// Metrics of many issuers and registries, as large as they get in practice.
fn fill(metrics: &Metrics) {
    for number in 0..20 {
        let issuer = format!("team-{number:03}/a-portal-with-a-name-of-some-length");
        for operation in PortalOperation::ALL {
            for outcome in PortalOutcome::ALL {
                metrics.issuers.record_portal_request(&issuer, (operation, outcome), Duration::from_secs(1), None);
            }
        }
        metrics.issuers.set_tokens(
            &issuer,
            &TokenSummary { oldest_token: Some(1), next_rotation: Some(2), ..TokenSummary::default() },
        );
        metrics.issuers.set_audited(&issuer, 1_795_500_000);
        metrics.issuers.set_ready("TokenIssuer", &format!("team-{number:03}"), "portal", true);
    }
    for number in 0..200 {
        let registry = format!("registry-{number:03}.of-a-team.example.com");
        for outcome in [LoginOutcome::Accepted, LoginOutcome::Rejected, LoginOutcome::Unknown] {
            metrics.issuers.record_login_check(&registry, outcome);
        }
    }
}

#[test]
fn a_scrape_is_below_1_mb_with_the_largest_number_of_objects_and_any_names() {
    let limit = usize::try_from(MAX_OBJECTS).expect("a number");
    for (what, name_length, namespace_length) in [("short", 6, 1), ("usual", 20, 12), ("longest", 253, 63)] {
        let named = |number: usize| Object {
            namespace: "n".repeat(namespace_length),
            name: format!("{number:0>name_length$}"),
            ..object("", ReadyStatus::Unknown)
        };
        let objects: Vec<Object> = (0..limit).map(named).collect();
        let metrics = showing(limit, objects);
        fill(&metrics);
        for format in [Format::OpenMetrics, Format::Text] {
            let text = metrics.encode(format);
            assert!(text.len() < 1_000_000, "{what} names: {} bytes", text.len());
        }
        let lines = lines(&metrics);
        let bytes: usize = lines.iter().map(|line| line.len() + "registry_token_operator_registrytoken\n".len()).sum();
        assert!(bytes <= MAX_BYTES, "{what} names: {bytes} bytes");
        let shown = lines.iter().filter(|line| line.starts_with("_next")).count();
        assert_eq!(lines.last(), Some(&format!("s_left_out {}", limit - shown)));
        assert!(bytes > MAX_BYTES * 9 / 10, "no more is left out than necessary: {shown} are shown in {bytes} bytes");
    }
}
