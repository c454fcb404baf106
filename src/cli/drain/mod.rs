//! `drain`: removes everything that the operator manages, so that CRDs and namespaces can be deleted afterwards. It
//! only uses the Kubernetes API: it deletes the objects, and the controllers revoke or release their tokens. If no
//! operator runs, the controllers run in this process until everything is deleted; running two operators at once is
//! safe.

mod check;
mod cluster_tokens;
mod controllers;
mod issuers;
mod progress;
mod remaining;

use self::controllers::LocalControllers;
use self::progress::progress_line;
use self::remaining::{ObjectKind, RemainingObject};
use super::args::{DrainArgs, DrainPolicy};
use super::cluster::{install_crypto_provider, kube_client, kube_config};
use super::error::CliError;
use super::process::shutdown_signal;
use crate::api::{ClusterRegistryToken, ClusterTokenIssuer, RegistryToken, TokenIssuer};
use crate::controller::Clock;
use crate::kube_client::objects::ObjectClient;
use kube::Client;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Interval between two reads of what remains.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Longest time without output.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
/// Without progress for this long, a hint is printed.
const HINT_AFTER: Duration = Duration::from_secs(30);
/// How long the controllers may take to stop.
const CONTROLLER_STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum number of remaining objects that are listed.
const MAX_LISTED: usize = 20;

/// Drains the cluster.
///
/// # Errors
/// If objects remain when the timeout expires, or if the API server cannot be reached.
pub async fn run(arguments: &DrainArgs) -> Result<(), CliError> {
    let shutdown = shutdown_signal()?;
    install_crypto_provider()?;
    tokio::pin!(shutdown);
    let interrupted = "interrupted: run drain again to continue";
    let clock = Arc::new(Clock::default());
    let config = tokio::select! {
        config = kube_config(arguments.context.as_deref()) => config?,
        () = &mut shutdown => return Err(interrupted.into()),
    };
    let client = kube_client(config, Arc::clone(&clock), Arc::default())?;
    if arguments.check_only {
        return check::run(&client, &arguments.scope.scope()?, arguments.timeout.0).await;
    }
    let mut controllers = LocalControllers::new(client.clone(), clock, arguments)?;
    let drained = tokio::select! {
        drained = drain_until_empty(&client, arguments, &mut controllers) => drained,
        () = &mut shutdown => Err(interrupted.into()),
    };
    controllers.stop().await;
    drained
}

/// Deletes all objects until none remains, including those that are created in the meantime.
async fn drain_until_empty(
    client: &Client,
    arguments: &DrainArgs,
    controllers: &mut LocalControllers,
) -> Result<(), CliError> {
    let started = Instant::now();
    let deadline = started + arguments.timeout.0;
    let (mut last_line, mut printed_at, mut progress_at) = (String::new(), started, started);
    let mut all = vec![];
    loop {
        let before = all.len();
        let problem = match timeout_at(deadline, run_once(client, arguments, controllers, &mut all)).await {
            Ok(Ok(true)) => {
                println!("nothing is left: all RegistryTokens, issuers and their finalizers are deleted");
                return Ok(());
            }
            Ok(done) => done.err().map(|error| error.to_string()),
            Err(_) => Some("no response in time".to_owned()),
        };
        let hint = if controllers.are_running() || all.is_empty() { "" } else { RUN_CONTROLLERS_HINT };
        if Instant::now() >= deadline {
            return Err(timeout_message(arguments, &all, problem.as_deref(), hint).into());
        }
        if all.len() != before {
            progress_at = Instant::now();
        }
        let mut line = progress_line(&all, problem.as_deref());
        if progress_at.elapsed() >= HINT_AFTER {
            line.push_str(hint);
        }
        if line != last_line || printed_at.elapsed() >= PROGRESS_INTERVAL {
            println!("{line}");
            (last_line, printed_at) = (line, Instant::now());
        }
        tokio::time::sleep_until(deadline.min(Instant::now() + POLL_INTERVAL)).await;
    }
}

/// Shown if the operator's Deployment is available, which does not prove that it makes progress.
const RUN_CONTROLLERS_HINT: &str =
    ". The operator's Deployment is available; if there is no progress, run drain with --run-controllers";

/// Reads what remains and deletes it. Returns whether nothing remains. The operator may stop at any time.
async fn run_once(
    client: &Client,
    arguments: &DrainArgs,
    controllers: &mut LocalControllers,
    all: &mut Vec<RemainingObject>,
) -> Result<bool, kube::Error> {
    *all = self::remaining::list_remaining(client, controllers.scope()).await?;
    if all.is_empty() {
        let (namespace, key) = (arguments.namespace.as_str(), arguments.mac_key_secret.as_str());
        return match issuers::remove_mac_key_finalizer(client, namespace, key).await {
            // Without this permission the finalizer is left to the operator.
            Err(kube::Error::Api(status)) if status.code == 403 && !controllers.are_running() => {
                println!("Secret {namespace}/{key} cannot be read: the operator removes its finalizer");
                Ok(true)
            }
            released => released,
        };
    }
    controllers.start_unless_operator_available().await?;
    delete_all(client, arguments, all).await.map(|()| false)
}

/// One round: sets deletion policies, then deletes. Tries every object and returns the first error.
async fn delete_all(client: &Client, arguments: &DrainArgs, all: &[RemainingObject]) -> Result<(), kube::Error> {
    // Otherwise the operator would create and change RegistryTokens meanwhile.
    if cluster_tokens::suspend(client, all).await? {
        return Ok(());
    }
    let mut problem = Ok(());
    let tokens_are_deleting = all.iter().filter(|one| one.kind == ObjectKind::Token).all(RemainingObject::is_deleting);
    for one in all.iter().filter(|one| one.kind != ObjectKind::ClusterToken || tokens_are_deleting) {
        let policy =
            arguments.policy.filter(|policy| one.kind == ObjectKind::Token && one.deletion_policy() != *policy);
        let done = match policy {
            Some(policy) => set_policy(client, one, policy).await,
            None => Ok(()),
        };
        let is_new = policy.is_some() || !one.is_deleting();
        let done = if done.is_ok() && !one.is_deleting() { delete(client, one).await } else { done };
        let is_orphaned = arguments.policy.unwrap_or_else(|| one.deletion_policy()) == DrainPolicy::Orphan;
        if done.is_ok() && is_new && is_orphaned && !one.token_names().is_empty() {
            println!("{one}: orphaned; these tokens may stay valid in the portal: {}", one.token_names());
        }
        problem = problem.and(done);
    }
    // Without tokens an issuer only waits for its final audit, which a decommissioned portal never answers.
    let no_tokens = !all.iter().any(|one| matches!(one.kind, ObjectKind::Token | ObjectKind::ClusterToken));
    if no_tokens && arguments.policy == Some(DrainPolicy::Orphan) {
        for issuer in all.iter().filter(|one| one.is_deleting()) {
            problem =
                problem.and(issuers::remove_issuer_finalizers(client, arguments.namespace.as_str(), issuer).await);
        }
    }
    problem
}

async fn set_policy(client: &Client, one: &RemainingObject, policy: DrainPolicy) -> Result<(), kube::Error> {
    let tokens: ObjectClient<RegistryToken> = ObjectClient::namespaced(client.clone(), one.namespace());
    let word = if policy == DrainPolicy::Orphan { "Orphan" } else { "Revoke" };
    let patch = Patch::Merge(json!({"spec": {"deletionPolicy": word}}));
    ignore_not_found(tokens.patch_metadata(one.name(), &PatchParams::default(), &patch).await.map(drop))
}

async fn delete(client: &Client, one: &RemainingObject) -> Result<(), kube::Error> {
    let client = client.clone();
    ignore_not_found(match one.kind {
        ObjectKind::ClusterToken => ObjectClient::<ClusterRegistryToken>::all(client).delete(one.name()).await,
        ObjectKind::Token => {
            ObjectClient::<RegistryToken>::namespaced(client, one.namespace()).delete(one.name()).await
        }
        ObjectKind::Issuer => ObjectClient::<TokenIssuer>::namespaced(client, one.namespace()).delete(one.name()).await,
        ObjectKind::ClusterIssuer => ObjectClient::<ClusterTokenIssuer>::all(client).delete(one.name()).await,
    })
}

fn ignore_not_found(done: Result<(), kube::Error>) -> Result<(), kube::Error> {
    match done {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        done => done,
    }
}

fn timeout_message(arguments: &DrainArgs, all: &[RemainingObject], problem: Option<&str>, hint: &str) -> String {
    let mut text = format!("not drained within {}. {}{hint}\n", arguments.timeout, progress_line(all, problem));
    for one in all.iter().take(MAX_LISTED) {
        let _ = writeln!(text, "  {one}");
    }
    if all.len() > MAX_LISTED {
        let _ = writeln!(text, "  and {} more", all.len() - MAX_LISTED);
    }
    text.push_str(match arguments.policy {
        Some(DrainPolicy::Orphan) => "Fix the cause on each line and run drain again.",
        _ => {
            "Fix the cause on each line and run drain again. If the portal is permanently unavailable, --policy=orphan releases the remaining objects without revoking their tokens."
        }
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::Value;

    fn left(kind: ObjectKind, object: &Value) -> RemainingObject {
        remaining::parse_page(kind, &json!({"items": [object]}).to_string()).expect("parsed").0.remove(0)
    }

    fn arguments(flags: &[&str]) -> DrainArgs {
        let all = ["registry-token-operator", "drain"].iter().chain(flags);
        let cli = crate::cli::args::Cli::try_parse_from(all).expect("parsed");
        let crate::cli::args::Command::Drain(arguments) = cli.command else { panic!("another command") };
        arguments
    }

    /// Runs against an API server that has a `RegistryToken` and never answers requests with this word in their path.
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
        let mut controllers = LocalControllers::new(client.clone(), Arc::default(), &arguments).expect("made");
        let started = Instant::now();
        let failure = drain_until_empty(&client, &arguments, &mut controllers).await.expect_err("it is not drained");
        assert_eq!(started.elapsed().as_secs(), 5, "{failure}");
        failure.to_string()
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_limit_holds_while_the_api_server_does_not_answer() {
        let text = drained_without("registrytokens").await;
        assert!(text.contains("no response in time"), "{text}");
        let text = drained_without("deployments").await;
        assert!(text.contains("no response in time") && text.contains("RegistryToken team-a/pull"), "{text}");
    }

    #[test]
    fn orphaned_tokens_are_named() {
        let status = json!({"token": {"id": "7", "username": "a"}, "retiring": [{"id": "8", "username": "b\u{1b}"}]});
        let token = left(ObjectKind::Token, &json!({"metadata": {"name": "pull"}, "status": status}));
        assert!(
            token.token_names().starts_with("a (id 7), b") && token.token_names().ends_with("(id 8)"),
            "{}",
            token.token_names()
        );
        assert!(!token.token_names().contains('\u{1b}'));
    }

    #[test]
    fn remaining_objects_are_listed_with_their_waiting_reason() {
        let token = json!({
            "metadata": {"namespace": "team-a", "name": "pull", "deletionTimestamp": "2030-01-01T00:00:00Z"},
            "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "IssuerNotReady", "message": "the portal is down"}]},
        });
        let all: Vec<RemainingObject> = (0..25).map(|_| left(ObjectKind::Token, &token)).collect();
        let arguments = arguments(&["--timeout=10m"]);
        let text = timeout_message(&arguments, &all, None, RUN_CONTROLLERS_HINT);
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
        let (all, next) = remaining::parse_page(ObjectKind::Token, &text).expect("parsed");
        assert_eq!((all[0].name(), all[0].namespace(), next.as_deref()), ("odd", "a", None));
        assert!(!all[0].is_deleting());
        assert_eq!(all[0].deletion_policy(), DrainPolicy::Revoke, "the default of the CRD");
    }
}
