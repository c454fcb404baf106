//! Memory for reading the lists of Gitea, Harbor and GitLab.

use super::fake_gitea::{self, FakeGitea};
use super::fake_gitlab::{self, FakeGitLab};
use super::fake_harbor::{self, FakeHarbor};
use super::portal_faults::{Fake, Server, settings};
use super::{ALLOCATOR, SERIAL};
use registry_token_operator::api::IssuerSpec;
use registry_token_operator::domain::model::token::TokenRow;
use registry_token_operator::portal::gitea::GiteaPortal;
use registry_token_operator::portal::gitlab::GitLabPortal;
use registry_token_operator::portal::harbor::HarborPortal;
use registry_token_operator::portal::{Credentials, Portal};
use secrecy::SecretString;
use serde_json::{Value, json};

const TOKENS: usize = 10_000;
/// What a client may keep of each token, to pass it on once: its id, twice, in a table that has grown. A row has more than
/// ten times as much.
const KEPT_OF_EACH: usize = 64;
/// What the fake server takes for its record of a call, and the connection for its buffers.
const OVERHEAD: usize = 256 << 10;

fn spec(kind: &str, field: &str, portal: &Value) -> IssuerSpec {
    let spec = json!({"type": kind, field: portal, "registries": [{"host": "registry.example.com"}]});
    serde_json::from_value(spec).expect("a spec")
}

fn basic(username: &str, password: &str) -> Credentials {
    Credentials::Basic { username: username.to_owned(), password: SecretString::from(password) }
}

fn auth(kind: &str) -> Value {
    json!({"type": kind, kind.to_lowercase(): {"secretRef": {"name": "login"}}})
}

/// The peak memory for reading the list, in addition to what was allocated before.
async fn memory_used(portal: &dyn Portal, count: usize) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let mut rows = 0;
    portal.scan(&mut |_: TokenRow| rows += 1).await.expect("a list");
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    assert_eq!(rows, count);
    taken
}

/// Reading the list takes the memory of a page and of the ids.
async fn check<S: Server>(name: &str, page: usize, fake: &Fake<S>, portal: &dyn Portal) {
    let described =
        |numbers: std::ops::Range<usize>| numbers.map(|number| format!("{number:06} {}", "x".repeat(1_000)));
    fake.add(described(0..page));
    // The first read opens the connection.
    portal.scan(&mut |_: TokenRow| ()).await.expect("a list");
    let of_page = memory_used(portal, page).await;
    fake.add(described(page..TOKENS));
    let of_list = memory_used(portal, TOKENS).await;
    println!("{name}: a page of {page}: {} KiB; a list of {TOKENS}: {} KiB", of_page >> 10, of_list >> 10);
    let limit = of_page * 3 / 2 + TOKENS * KEPT_OF_EACH + OVERHEAD;
    assert!(of_list < limit, "{name}: a page takes {of_page} bytes, the list {of_list}, more than {limit}");
    assert!(limit < TOKENS * 1_000 / 2, "{name}: less than the rows themselves");
}

/// Gitea 1.26 sends pages of 50. Older versions send the whole list at once.
#[tokio::test]
async fn reading_ten_thousand_tokens_of_gitea_takes_the_memory_of_one_page() {
    let _alone = SERIAL.lock().await;
    let fake = FakeGitea::start().await;
    fake.state().pages_always = true;
    let gitea = json!({"url": fake.url, "user": fake_gitea::USER, "allowInsecureHTTP": true, "auth": auth("Basic")});
    let spec = spec("Gitea", "gitea", &gitea);
    let portal = GiteaPortal::new(settings(&spec, basic(fake_gitea::USER, fake_gitea::PASSWORD))).expect("a client");
    check("Gitea", 50, &fake, &portal).await;
}

#[tokio::test]
async fn reading_ten_thousand_robot_accounts_of_harbor_takes_the_memory_of_one_page() {
    let _alone = SERIAL.lock().await;
    let fake = FakeHarbor::start().await;
    let project = fake_harbor::PROJECT;
    let harbor = json!({"url": fake.url, "project": project, "allowInsecureHTTP": true, "auth": auth("Basic")});
    let spec = spec("Harbor", "harbor", &harbor);
    let portal = HarborPortal::new(settings(&spec, basic("bot", fake_harbor::PASSWORD))).expect("a client");
    check("Harbor", 100, &fake, &portal).await;
}

#[tokio::test]
async fn reading_ten_thousand_deploy_tokens_of_gitlab_takes_the_memory_of_one_page() {
    let _alone = SERIAL.lock().await;
    let fake = FakeGitLab::start().await;
    let project = fake_gitlab::PROJECT;
    let gitlab = json!({"url": fake.url, "project": project, "allowInsecureHTTP": true, "auth": auth("Token")});
    let spec = spec("GitLab", "gitlab", &gitlab);
    let token = Credentials::Token { token: SecretString::from(fake_gitlab::TOKEN) };
    let portal = GitLabPortal::new(settings(&spec, token)).expect("a client");
    check("GitLab", 100, &fake, &portal).await;
}
