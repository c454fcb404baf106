//! What is shown of issuers, and that nothing stays of a deleted one.

use super::*;
use crate::metrics::Metrics;

fn has(metrics: &Metrics, line: &str) -> bool {
    metrics.text().lines().any(|shown| shown == format!("registry_token_operator_{line}"))
}

fn fill(metrics: &Metrics) {
    let issuers = &metrics.issuers;
    let second = Duration::from_secs(1);
    let ended = (PortalOperation::Request, PortalOutcome::Ambiguous);
    issuers.record_portal_request("team/portal", ended, second, Some(Duration::from_secs(30)));
    issuers.record_portal_request("team/portal", (PortalOperation::List, PortalOutcome::Unsent), second, None);
    let tokens = TokenSummary {
        active: 3,
        waiting: 2,
        failing: 1,
        retiring: 4,
        oldest_token: Some(100),
        next_rotation: Some(200),
        overdue: 1,
    };
    issuers.set_tokens("team/portal", &tokens);
    issuers.set_audit_attempted("team/portal", 250);
    issuers.set_audit_attempted("team/portal", 290);
    issuers.set_audited("team/portal", 300);
    issuers.record_orphans("team/portal", 2, 1);
    issuers.set_ready("TokenIssuer", "team", "portal", true);
}

#[test]
fn what_is_recorded_of_an_issuer_is_shown() {
    let metrics = Metrics::default();
    fill(&metrics);
    for line in [
        "portal_requests_total{issuer=\"team/portal\",operation=\"request\",outcome=\"ambiguous\"} 1",
        "portal_requests_total{issuer=\"team/portal\",operation=\"list\",outcome=\"unsent\"} 1",
        "portal_request_duration_seconds_count{operation=\"request\"} 1",
        "portal_retry_after_seconds{issuer=\"team/portal\"} 0",
        "tokens{issuer=\"team/portal\",state=\"active\"} 3",
        "tokens{issuer=\"team/portal\",state=\"waiting\"} 2",
        "tokens{issuer=\"team/portal\",state=\"failing\"} 1",
        "tokens{issuer=\"team/portal\",state=\"retiring\"} 4",
        "oldest_token_timestamp_seconds{issuer=\"team/portal\"} 100",
        "next_rotation_timestamp_seconds{issuer=\"team/portal\"} 200",
        "rotations_overdue{issuer=\"team/portal\"} 1",
        "audit_first_attempt_timestamp_seconds{issuer=\"team/portal\"} 250",
        "audit_last_success_timestamp_seconds{issuer=\"team/portal\"} 300",
        "audit_orphans_total{issuer=\"team/portal\",action=\"found\"} 2",
        "audit_orphans_total{issuer=\"team/portal\",action=\"revoked\"} 1",
        "issuer_ready{kind=\"TokenIssuer\",namespace=\"team\",name=\"portal\"} 1",
    ] {
        assert!(has(&metrics, line), "{line}: {}", metrics.text());
    }
    assert!(!metrics.text().contains("duration_seconds_count{operation=\"list\"}"), "an unsent request takes no time");
    metrics.issuers.set_tokens("team/portal", &TokenSummary::default());
    assert!(!metrics.text().contains("next_rotation_timestamp_seconds{"), "nothing is rotated");
}

#[test]
fn no_series_of_a_deleted_issuer_stays() {
    let metrics = Metrics::default();
    fill(&metrics);
    metrics.issuers.set_ready("ClusterTokenIssuer", "", "portal", false);
    metrics.issuers.forget("team/portal", "TokenIssuer", "team", "portal");
    assert!(!metrics.text().contains("team"), "{}", metrics.text());
    assert!(has(&metrics, "issuer_ready{kind=\"ClusterTokenIssuer\",namespace=\"\",name=\"portal\"} 0"));
}

#[test]
fn a_standby_shows_no_state_that_only_the_leader_knows() {
    let metrics = Metrics::default();
    fill(&metrics);
    metrics.set_leader("lease", false);
    let text = metrics.text();
    assert!(!text.contains("issuer_ready{") && !text.contains("operator_tokens{"), "{text}");
    assert!(!text.contains("timestamp_seconds{"), "{text}");
    assert!(text.contains("portal_requests_total{"), "counters stay: {text}");
}

#[test]
fn the_number_of_registries_is_bounded() {
    let metrics = Metrics::default();
    for number in 0..MAX_REGISTRIES + 50 {
        metrics.issuers.record_login_check(&format!("r{number}.example.com"), LoginOutcome::Accepted);
    }
    metrics.issuers.record_login_check("r0.example.com", LoginOutcome::Accepted);
    assert!(has(&metrics, "login_checks_total{registry=\"r0.example.com\",outcome=\"accepted\"} 2"));
    assert!(has(&metrics, "login_checks_total{registry=\"other\",outcome=\"accepted\"} 50"));
}
