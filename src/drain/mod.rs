//! `drain`: removes everything that the operator manages, so that CRDs and namespaces can go after it. It acts through
//! the API alone: it deletes the objects, and the controllers revoke or release their tokens. Where no operator runs,
//! the controllers run in this process until all is gone; two at once are safe.

mod controllers;
mod issuers;
mod left;

use self::controllers::Controllers;
use self::left::{Kind, Left};
use crate::api::{ClusterTokenIssuer, RegistryToken, TokenIssuer};
use crate::cli::{Drain, Policy};
use crate::controller::Clock;
use crate::kube_api::Objects;
use crate::run::{self, Failure};
use kube::Client;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Between two looks at what is left.
const LOOK: Duration = Duration::from_secs(1);
/// At most so long nothing is printed.
const PROGRESS: Duration = Duration::from_secs(10);
/// When so long nothing has gone, it is said what may be tried.
const STUCK: Duration = Duration::from_secs(30);
/// How long the controllers may take to stop.
const STOP: Duration = Duration::from_secs(20);
/// So many of the things that are left are named.
const NAMED: usize = 20;

/// Drains the cluster.
///
/// # Errors
/// What is left when the time is over, or that the API server cannot be asked.
pub async fn run(arguments: &Drain) -> Result<(), Failure> {
    let asked = run::asked_to_end()?;
    run::use_ring()?;
    tokio::pin!(asked);
    let interrupted = "interrupted: run drain again to go on";
    let clock = Arc::new(Clock::default());
    let config = tokio::select! {
        config = run::cluster_config(arguments.context.as_deref()) => config?,
        () = &mut asked => return Err(interrupted.into()),
    };
    let client = run::client_of(config, Arc::clone(&clock))?;
    let mut controllers = Controllers::new(client.clone(), clock, arguments)?;
    let drained = tokio::select! {
        drained = until_empty(&client, arguments, &mut controllers) => drained,
        () = &mut asked => Err(interrupted.into()),
    };
    controllers.stop().await;
    drained
}

/// Deletes whatever is there, until nothing is. Objects that are created meanwhile are deleted too.
async fn until_empty(client: &Client, arguments: &Drain, controllers: &mut Controllers) -> Result<(), Failure> {
    let begun = Instant::now();
    let deadline = begun + arguments.timeout.0;
    let (mut said, mut said_at, mut moved_at) = (String::new(), begun, begun);
    let mut all = vec![];
    loop {
        let before = all.len();
        let problem = match timeout_at(deadline, round(client, arguments, controllers, &mut all)).await {
            Ok(Ok(true)) => {
                println!("nothing is left: RegistryTokens and issuers are gone, and their finalizers with them");
                return Ok(());
            }
            Ok(done) => done.err().map(|error| error.to_string()),
            Err(_) => Some("it did not answer in time".to_owned()),
        };
        let hint = if controllers.are_running() || all.is_empty() { "" } else { RUN_CONTROLLERS };
        if Instant::now() >= deadline {
            return Err(unfinished(arguments, &all, problem.as_deref(), hint).into());
        }
        if all.len() != before {
            moved_at = Instant::now();
        }
        let mut line = progress(&all, problem.as_deref());
        if moved_at.elapsed() >= STUCK {
            line.push_str(hint);
        }
        if line != said || said_at.elapsed() >= PROGRESS {
            println!("{line}");
            (said, said_at) = (line, Instant::now());
        }
        tokio::time::sleep_until(deadline.min(Instant::now() + LOOK)).await;
    }
}

/// Where an operator is said to be available and its Deployment tells no more.
const RUN_CONTROLLERS: &str =
    ". The operator's Deployment is available; if it does not do the work, run drain with --run-controllers";

/// Looks at what is left, and deletes it. Whether nothing is left. The operator may go at any time.
async fn round(
    client: &Client,
    arguments: &Drain,
    controllers: &mut Controllers,
    all: &mut Vec<Left>,
) -> Result<bool, kube::Error> {
    *all = left::all(client).await?;
    if all.is_empty() {
        let (namespace, key) = (arguments.namespace.as_str(), arguments.mac_key_secret.as_str());
        return match issuers::release_key(client, namespace, key).await {
            // Who may not do it leaves it to the operator.
            Err(kube::Error::Api(status)) if status.code == 403 && !controllers.are_running() => {
                println!("the Secret {namespace}/{key} cannot be read: the operator releases it");
                Ok(true)
            }
            released => released,
        };
    }
    controllers.start_unless_operated().await?;
    act(client, arguments, all).await.map(|()| false)
}

/// One round: policies first, then deletions. Gives the first problem, after all was tried.
async fn act(client: &Client, arguments: &Drain, all: &[Left]) -> Result<(), kube::Error> {
    let mut problem = Ok(());
    for one in all {
        let policy = arguments.policy.filter(|policy| one.kind == Kind::Token && one.policy() != *policy);
        let done = match policy {
            Some(policy) => set_policy(client, one, policy).await,
            None => Ok(()),
        };
        let is_new = policy.is_some() || !one.is_deleting();
        let done = if done.is_ok() && !one.is_deleting() { delete(client, one).await } else { done };
        let is_orphaned = arguments.policy.unwrap_or_else(|| one.policy()) == Policy::Orphan;
        if done.is_ok() && is_new && is_orphaned && !one.tokens().is_empty() {
            println!("{one}: orphaned, so these may stay valid in the portal: {}", one.tokens());
        }
        problem = problem.and(done);
    }
    // Without tokens an issuer waits for nothing but its last audit, which a portal that is gone never answers.
    let no_tokens = !all.iter().any(|one| one.kind == Kind::Token);
    if no_tokens && arguments.policy == Some(Policy::Orphan) {
        for issuer in all.iter().filter(|one| one.is_deleting()) {
            problem = problem.and(issuers::release(client, arguments.namespace.as_str(), issuer).await);
        }
    }
    problem
}

async fn set_policy(client: &Client, one: &Left, policy: Policy) -> Result<(), kube::Error> {
    let tokens: Objects<RegistryToken> = Objects::namespaced(client.clone(), one.namespace());
    let word = if policy == Policy::Orphan { "Orphan" } else { "Revoke" };
    let patch = Patch::Merge(json!({"spec": {"deletionPolicy": word}}));
    gone_is_fine(tokens.patch_metadata(one.name(), &PatchParams::default(), &patch).await.map(drop))
}

async fn delete(client: &Client, one: &Left) -> Result<(), kube::Error> {
    let client = client.clone();
    gone_is_fine(match one.kind {
        Kind::Token => Objects::<RegistryToken>::namespaced(client, one.namespace()).delete(one.name()).await,
        Kind::Issuer => Objects::<TokenIssuer>::namespaced(client, one.namespace()).delete(one.name()).await,
        Kind::ClusterIssuer => Objects::<ClusterTokenIssuer>::all(client).delete(one.name()).await,
    })
}

fn gone_is_fine(done: Result<(), kube::Error>) -> Result<(), kube::Error> {
    match done {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        done => done,
    }
}

fn progress(all: &[Left], problem: Option<&str>) -> String {
    let tokens = all.iter().filter(|one| one.kind == Kind::Token).count();
    let mut line = format!("left: {tokens} RegistryTokens, {} issuers", all.len() - tokens);
    if let Some(one) = all.iter().find(|one| !one.waits_for().is_empty()) {
        let _ = write!(line, "; {one}");
    }
    if let Some(problem) = problem {
        let _ = write!(line, "; the API server: {problem}");
    }
    line
}

fn unfinished(arguments: &Drain, all: &[Left], problem: Option<&str>, hint: &str) -> String {
    let mut text = format!("not drained within {}. {}{hint}\n", arguments.timeout, progress(all, problem));
    for one in all.iter().take(NAMED) {
        let _ = writeln!(text, "  {one}");
    }
    if all.len() > NAMED {
        let _ = writeln!(text, "  and {} more", all.len() - NAMED);
    }
    text.push_str(match arguments.policy {
        Some(Policy::Orphan) => "Remove the cause that each line names, and run drain again.",
        _ => {
            "Remove the cause that each line names, and run drain again. If the portal is gone for good, --policy=orphan releases what is left and revokes nothing."
        }
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::Value;

    fn left(kind: Kind, object: &Value) -> Left {
        left::parse(kind, &json!({"items": [object]}).to_string()).expect("parsed").0.remove(0)
    }

    fn arguments(flags: &[&str]) -> Drain {
        let all = ["registry-token-operator", "drain"].iter().chain(flags);
        let cli = crate::cli::Cli::try_parse_from(all).expect("parsed");
        let crate::cli::Command::Drain(arguments) = cli.command else { panic!("another command") };
        arguments
    }

    /// Of an API server that has a `RegistryToken` and never answers a request for what has this word in its path.
    async fn drained_without(word: &'static str) -> String {
        let service = tower::service_fn(move |request: axum::http::Request<kube::client::Body>| async move {
            let path = request.uri().path().to_owned();
            if path.contains(word) {
                std::future::pending::<()>().await;
            }
            let token = json!({"metadata": {"namespace": "team-a", "name": "pull"}});
            let items = if path.ends_with("/registrytokens") { vec![token] } else { vec![] };
            let body = json!({"metadata": {}, "items": items}).to_string().into_bytes();
            Ok::<_, std::convert::Infallible>(axum::http::Response::new(kube::client::Body::from(body)))
        });
        let client = Client::new(service, "default");
        let arguments = arguments(&["--timeout=5s"]);
        let mut controllers = Controllers::new(client.clone(), Arc::default(), &arguments).expect("made");
        let begun = Instant::now();
        let failure = until_empty(&client, &arguments, &mut controllers).await.expect_err("it is not drained");
        assert_eq!(begun.elapsed().as_secs(), 5, "{failure}");
        failure.to_string()
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_limit_holds_while_the_api_server_does_not_answer() {
        let text = drained_without("registrytokens").await;
        assert!(text.contains("did not answer in time"), "{text}");
        let text = drained_without("deployments").await;
        assert!(text.contains("did not answer in time") && text.contains("RegistryToken team-a/pull"), "{text}");
    }

    #[test]
    fn orphaned_tokens_are_named() {
        let status = json!({"token": {"id": "7", "username": "a"}, "retiring": [{"id": "8", "username": "b\u{1b}"}]});
        let token = left(Kind::Token, &json!({"metadata": {"name": "pull"}, "status": status}));
        assert!(token.tokens().starts_with("a (id 7), b") && token.tokens().ends_with("(id 8)"), "{}", token.tokens());
        assert!(!token.tokens().contains('\u{1b}'));
    }

    #[test]
    fn what_is_left_is_named_with_what_it_waits_for() {
        let token = json!({
            "metadata": {"namespace": "team-a", "name": "pull", "deletionTimestamp": "2030-01-01T00:00:00Z"},
            "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "IssuerNotReady", "message": "the portal is down"}]},
        });
        let all: Vec<Left> = (0..25).map(|_| left(Kind::Token, &token)).collect();
        let arguments = arguments(&["--timeout=10m"]);
        let text = unfinished(&arguments, &all, None, RUN_CONTROLLERS);
        assert!(text.starts_with("not drained within 10m. left: 25 RegistryTokens, 0 issuers"), "{text}");
        assert!(text.contains("--run-controllers"), "{text}");
        assert!(text.contains("RegistryToken team-a/pull: IssuerNotReady: the portal is down"), "{text}");
        assert!(text.contains("and 5 more") && text.contains("--policy=orphan"), "{text}");
    }

    #[test]
    fn an_object_that_no_typed_client_could_parse_is_drained_like_any_other() {
        let deep = "{\"f:a\":".repeat(300) + "{}" + &"}".repeat(300);
        let fields = format!(r#"[{{"time":"9999-12-31T23:59:59Z","fieldsV1":{deep}}}]"#);
        let text = format!(r#"{{"items":[{{"metadata":{{"name":"odd","namespace":"a","managedFields":{fields}}}}}]}}"#);
        let (all, next) = left::parse(Kind::Token, &text).expect("parsed");
        assert_eq!((all[0].name(), all[0].namespace(), next.as_deref()), ("odd", "a", None));
        assert!(!all[0].is_deleting());
        assert_eq!(all[0].policy(), Policy::Revoke, "the default of the CRD");
    }
}
