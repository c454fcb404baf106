//! The contract suite for all portals, against fake ones.

#[macro_use]
pub mod suite;
mod concurrency;
mod fake_thinkwise;

use crate::gitea_client::fake as fake_gitea;
use crate::gitlab_client::fake as fake_gitlab;
use crate::harbor_client::fake as fake_harbor;
use std::any::Any;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use suite::gitea::Gitea;
use suite::gitlab::GitLab;
use suite::harbor::Harbor;
use suite::server::Server;
use suite::under_test::PortalUnderTest;

/// The only token that is not ours.
const COLLEAGUE: &str = "of a colleague";

type Started = Result<Box<dyn PortalUnderTest>, String>;

fn server(url: String, user: &str, secret: &str, project: &str, keep: impl Any + Send + Sync) -> Server {
    let [user, secret, project] = [user, secret, project].map(str::to_owned);
    Server { url, ca_pem: None, user, secret, project, keep: Box::new(keep), client: OnceLock::new() }
}

async fn start_gitea() -> Started {
    let fake = fake_gitea::FakeGitea::start().await;
    fake.add([COLLEAGUE.to_owned()]);
    fake.state().pages_always = true;
    fake.state().max_items = 20;
    let server = server(fake.url.clone(), fake_gitea::USER, fake_gitea::PASSWORD, "", fake);
    Ok(Box::new(Gitea { server, page_size: 20 }))
}

async fn start_harbor() -> Started {
    let fake = fake_harbor::FakeHarbor::start().await;
    fake.add([COLLEAGUE.to_owned()]);
    fake.state().max_items = 20;
    let server = server(fake.url.clone(), "bot", fake_harbor::PASSWORD, fake_harbor::PROJECT, fake);
    Ok(Box::new(Harbor { server, page_size: 20, added: AtomicUsize::new(0) }))
}

async fn start_gitlab() -> Started {
    let fake = fake_gitlab::FakeGitLab::start().await;
    fake.add([COLLEAGUE.to_owned()]);
    let server = server(fake.url.clone(), "", fake_gitlab::TOKEN, fake_gitlab::PROJECT, fake);
    Ok(Box::new(GitLab { server }))
}

mod gitea {
    use super::suite;
    contract_tests!(super::start_gitea);
}

mod gitlab {
    use super::suite;
    contract_tests!(super::start_gitlab);
}

mod harbor {
    use super::suite;
    contract_tests!(super::start_harbor);
}

mod thinkwise {
    use super::suite;
    contract_tests!(super::fake_thinkwise::start);
}
