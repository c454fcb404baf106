//! The contract suite for all portals, against real ones: a Gitea that is started here, and servers that environment
//! variables name. The suite creates tokens whose descriptions begin with `contract`, and deletes all of these.

#[macro_use]
#[path = "../component/portal_contract/suite/mod.rs"]
mod suite;

use crate::gitea::User;
use std::env;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};
use suite::server::Server;
use suite::under_test::PortalUnderTest;
use tokio::sync::{Mutex, OnceCell};

type Started = Result<Box<dyn PortalUnderTest>, String>;

/// The first user of Gitea is an administrator, and the tests are no administrator's.
const ADMINISTRATOR: User = User { name: "administrator", password: "of-the-administrator-1" };
const USER: User = User { name: "contract-user", password: "of-the-contract-1" };
const COLLEAGUE: &str = "of a colleague";

/// The pages of servers with their usual configuration.
const GITEA_PAGE: usize = 50;
const HARBOR_PAGE: usize = 100;

/// The server that the variables with this prefix name: each case has it alone. `PREFIX_CA` is the file with its CA.
async fn named_by(prefix: &str, required: &[&str], turn: &Arc<Mutex<()>>) -> Result<Server, String> {
    let value = |name: &str| env::var(format!("{prefix}_{name}")).unwrap_or_default();
    if required.iter().any(|name| value(name).is_empty()) {
        let names: Vec<String> = required.iter().map(|name| format!("{prefix}_{name}")).collect();
        return Err(format!("set {}", names.join(", ")));
    }
    let secret = if required.contains(&"TOKEN") { value("TOKEN") } else { value("PASSWORD") };
    let ca = Some(value("CA")).filter(|path| !path.is_empty());
    Ok(Server {
        url: value("URL").trim_end_matches('/').to_owned(),
        ca_pem: ca.map(|path| std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))),
        user: value("USER"),
        secret,
        project: value("PROJECT"),
        keep: Box::new(Arc::clone(turn).lock_owned().await),
        client: OnceLock::new(),
    })
}

/// The Gitea that all cases share, each as the only one at a time. It ends with this process.
async fn started_gitea(turn: &Arc<Mutex<()>>) -> Server {
    static GITEA: OnceCell<(String, String)> = OnceCell::const_new();
    let keep = Arc::clone(turn).lock_owned().await;
    let start = async || {
        let gitea = crate::gitea::Gitea::start(&[ADMINISTRATOR, USER]).await;
        gitea.request_token(USER, COLLEAGUE).await;
        let place = (gitea.url(), gitea.ca_pem().to_owned());
        // Its process and its files are removed when this process ends.
        std::mem::forget(gitea);
        place
    };
    let (url, ca_pem) = GITEA.get_or_init(start).await.clone();
    let [user, secret, project] = [USER.name, USER.password, ""].map(str::to_owned);
    Server { url, ca_pem: Some(ca_pem), user, secret, project, keep: Box::new(keep), client: OnceLock::new() }
}

async fn start_gitea() -> Started {
    static TURN: OnceLock<Arc<Mutex<()>>> = OnceLock::new();
    let turn = TURN.get_or_init(Arc::default);
    let server = match named_by("GITEA", &["URL", "USER", "PASSWORD"], turn).await {
        Err(missing) if env::var_os("GITEA").is_none() => return Err(missing),
        Err(_) => started_gitea(turn).await,
        Ok(server) => server,
    };
    Ok(Box::new(suite::gitea::Gitea { server, page_size: GITEA_PAGE }))
}

async fn start_harbor() -> Started {
    static TURN: OnceLock<Arc<Mutex<()>>> = OnceLock::new();
    let turn = TURN.get_or_init(Arc::default);
    let server = named_by("HARBOR", &["URL", "USER", "PASSWORD", "PROJECT"], turn).await?;
    Ok(Box::new(suite::harbor::Harbor { server, page_size: HARBOR_PAGE, added: AtomicUsize::new(0) }))
}

async fn start_gitlab() -> Started {
    static TURN: OnceLock<Arc<Mutex<()>>> = OnceLock::new();
    let turn = TURN.get_or_init(Arc::default);
    let server = named_by("GITLAB", &["URL", "TOKEN", "PROJECT"], turn).await?;
    // With a name, the access token would be sent as a password.
    Ok(Box::new(suite::gitlab::GitLab { server: Server { user: String::new(), ..server } }))
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
