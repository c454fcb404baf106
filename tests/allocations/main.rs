//! Memory for reading the portal's list. A separate binary, because it counts the allocations of the whole process.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first failure")]
#![allow(dead_code, unused_imports, reason = "of the fake portal only the list is used here")]

#[path = "../component/gitea_client/fake.rs"]
mod fake_gitea;
#[path = "../component/gitlab_client/fake.rs"]
mod fake_gitlab;
#[path = "../component/harbor_client/fake.rs"]
mod fake_harbor;
#[path = "../support/minimal_portal/mod.rs"]
mod minimal_portal;
#[path = "../component/portal_faults.rs"]
mod portal_faults;

mod lists;
mod metadata;
mod rest_lists;

use minimal_portal::{MinimalPortal, PASSWORD, Shape, USER};
use peak_alloc::PeakAlloc;
use registry_token_operator::api::Limits;
use registry_token_operator::domain::audit::inventory::Inventory;
use registry_token_operator::domain::audit::missing_tokens::MissingTokens;
use registry_token_operator::domain::audit::{AuditResponse, AuditStep, AuditedToken, Claims, PortalAudit};
use registry_token_operator::domain::model::marker::{AttemptId, IssuerTag, Marker, Nonce};
use registry_token_operator::domain::model::token::{TokenRef, TokenRow};
use registry_token_operator::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use registry_token_operator::portal::{Credentials, EgressPolicy, Portal as _};
use secrecy::SecretString;
use serde_json::json;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn portal(url: &str) -> ThinkwisePortal {
    let spec = json!({
        "url": url,
        "allowInsecureHTTP": true,
        "auth": {"type": "Basic", "basic": {"secretRef": {"name": "portal-login"}}},
    });
    let credentials = Credentials::Basic { username: USER.to_owned(), password: SecretString::from(PASSWORD) };
    let spec = serde_json::from_value(spec).expect("a spec");
    ThinkwisePortal::new(ThinkwiseSettings {
        spec,
        limits: Limits::default(),
        credentials,
        ca_pem: None,
        metadata_ttl: Duration::from_mins(10),
        egress: EgressPolicy::default(),
    })
    .expect("a portal")
}

/// Only one test measures at a time.
static SERIAL: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The peak memory for reading a list of this many tokens, 1,000 a page, in addition to what was allocated before.
async fn memory_used(tokens: i64) -> usize {
    let fake = MinimalPortal::with_shape(Shape::default()).await;
    fake.ledger().tokens = (1..=tokens).map(|id| (id, (format!("robot${id}"), "x".repeat(150)))).collect();
    let portal = portal(&fake.url);
    portal.resolve().await.expect("it fits");
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let mut count = 0;
    portal.scan(&mut |_: TokenRow| count += 1).await.expect("a list");
    let taken = ALLOCATOR.peak_usage() - before;
    assert_eq!(count, tokens);
    taken
}

#[tokio::test]
async fn reading_ten_thousand_tokens_takes_the_memory_of_one_page() {
    let _alone = SERIAL.lock().await;
    let (page, list) = (memory_used(1_000).await, memory_used(10_000).await);
    println!("a page of 1,000: {} KiB; a list of 10,000: {} KiB", page >> 10, list >> 10);
    assert!(list < page * 3 / 2, "a page takes {page} bytes, ten of them {list}");
}

/// The memory that remains after an audit of this many tokens, with the issuer's marker in each or in none.
async fn memory_retained(tokens: i64, are_marked: bool) -> usize {
    let tag = IssuerTag::of("issuer");
    let fake = MinimalPortal::with_shape(Shape::default()).await;
    let attempt = AttemptId::from_random(&[7; 16]);
    let mut tokens_of_ours = vec![];
    for id in 1..=tokens {
        let marker = Marker::new(tag.clone(), Nonce::of(&id.to_string(), &attempt));
        let text = "x".repeat(150);
        let text = if are_marked { marker.append_to(&text) } else { text };
        fake.ledger().tokens.insert(id, (format!("robot${id}"), text));
        tokens_of_ours.push(TokenRef { id: id.to_string(), username: format!("robot${id}") });
    }
    let portal = portal(&fake.url);
    portal.resolve().await.expect("it fits");
    let owner = AuditedToken { tokens: tokens_of_ours, ..audited_token() };
    let known = Claims::collect(&[], &[owner]);
    let before = ALLOCATOR.current_usage();
    let mut inventory = Inventory::new(jiff::Timestamp::UNIX_EPOCH, "k8s".to_owned(), tag);
    let mut each = |row: TokenRow| {
        inventory.add(row);
    };
    portal.scan(&mut each).await.expect("a list");
    let (audit, _) = PortalAudit::begin();
    let (audit, next) = audit.step(AuditResponse::PortalList(inventory, known.clone()));
    let AuditStep::Done(Ok(found)) = next else { panic!("nothing is suspect: {next:?}") };
    drop(audit);
    assert_eq!(found.inventory.len(), usize::try_from(tokens).expect("a count"));
    ALLOCATOR.current_usage().saturating_sub(before)
}

fn audited_token() -> AuditedToken {
    AuditedToken {
        uid: "uid".to_owned(),
        namespace: "team-a".to_owned(),
        secret: "pull".to_owned(),
        tokens: vec![],
        requested_at: None,
        portal_user: None,
    }
}

#[tokio::test]
async fn an_audit_keeps_ids_and_hashes_but_no_rows() {
    let _alone = SERIAL.lock().await;
    let (plain, marked) = (memory_retained(10_000, false).await, memory_retained(10_000, true).await);
    println!("kept for 10,000 tokens: {} KiB; with markers: {} KiB", plain >> 10, marked >> 10);
    // A row's description alone has 150 bytes.
    for bytes in [plain, marked] {
        assert!(bytes < 10_000 * 150, "{bytes} bytes");
    }
}

#[tokio::test]
async fn objects_are_compared_with_the_list_one_at_a_time() {
    let _alone = SERIAL.lock().await;
    let inventory = Inventory::new(jiff::Timestamp::UNIX_EPOCH, "k8s".to_owned(), IssuerTag::of("issuer"));
    let object = |id: usize| AuditedToken {
        uid: format!("{id:036}"),
        tokens: vec![TokenRef { id: id.to_string(), username: format!("robot${id}") }],
        requested_at: Some(jiff::Timestamp::UNIX_EPOCH),
        ..audited_token()
    };
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let missing = MissingTokens::count(&inventory, (0..10_000).map(object), Duration::ZERO, 10);
    let taken = ALLOCATOR.peak_usage() - before;
    assert_eq!((missing.missing, missing.expected), (10_000, 10_000));
    // All objects together take more than a MiB. Another test may begin meanwhile, which allocates its runtime.
    assert!(taken < 256 << 10, "{taken} bytes");
}
