//! `drain`: removes everything that the operator manages, so that CRDs and namespaces can go after it. It acts through
//! the API alone: it deletes the objects, and the controllers revoke or release their tokens. Where no operator runs,
//! the controllers run in this process until all is gone; two at once are safe.

mod issuers;
mod left;

use self::left::{Kind, Left};
use crate::api::{ClusterTokenIssuer, RegistryToken, TokenIssuer};
use crate::cli::{Drain, Policy};
use crate::controller::{self, Clock, Settings};
use crate::kube_api::Objects;
use crate::readiness::Readiness;
use crate::run::{self, Failure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Between two looks at what is left.
const LOOK: Duration = Duration::from_secs(1);
/// At most so long nothing is printed.
const PROGRESS: Duration = Duration::from_secs(10);
/// How long the controllers may take to stop.
const STOP: Duration = Duration::from_secs(20);
/// So many of the things that are left are named.
const NAMED: usize = 20;

/// Drains the cluster.
///
/// # Errors
/// What is left when the time is over, or that the API server cannot be asked.
pub async fn run(arguments: &Drain) -> Result<(), Failure> {
    run::use_ring()?;
    let clock = Arc::new(Clock::default());
    let client = run::client_of(run::cluster_config(arguments.context.as_deref()).await?, Arc::clone(&clock))?;
    let stop = CancellationToken::new();
    let controllers =
        if arguments.run_controllers || !is_operator_available(&client, arguments.namespace.as_str()).await {
            println!("no operator is available in namespace {}: running the controllers here", arguments.namespace);
            let holder = format!("drain-{}", run::random()?);
            let policy = arguments.issuers.clone().policy(run::api_server());
            let settings = Settings {
                namespace: arguments.namespace.to_string(),
                holder,
                clock,
                policy,
                mac_key_secret: arguments.mac_key_secret.to_string(),
            };
            let running = controller::run(client.clone(), settings, Arc::new(Readiness::default()), stop.clone());
            Some(tokio::spawn(running))
        } else {
            None
        };
    let drained = tokio::select! {
        drained = until_empty(&client, arguments) => drained,
        _ = tokio::signal::ctrl_c() => Err("interrupted: run drain again to go on".into()),
    };
    stop.cancel();
    if let Some(controllers) = controllers {
        let _ = tokio::time::timeout(STOP, controllers).await;
    }
    drained
}

/// Whether the operator's Deployment has a Pod that is available. What cannot be read counts as no.
async fn is_operator_available(client: &Client, namespace: &str) -> bool {
    let deployments: Objects<Deployment> = Objects::namespaced(client.clone(), namespace);
    let ours = ListParams::default().labels("app.kubernetes.io/name=registry-token-operator");
    let found = deployments.list(&ours).await.map(|found| found.items).unwrap_or_default();
    found.iter().any(|one| one.status.as_ref().and_then(|status| status.available_replicas).unwrap_or_default() > 0)
}

/// Deletes whatever is there, until nothing is. Objects that are created meanwhile are deleted too.
async fn until_empty(client: &Client, arguments: &Drain) -> Result<(), Failure> {
    let begun = Instant::now();
    let (mut said, mut said_at) = (String::new(), begun);
    loop {
        let (problem, all) = match left::all(client).await {
            Ok(all) if all.is_empty() => {
                println!("nothing is left: RegistryTokens and issuers are gone, and their finalizers with them");
                return Ok(());
            }
            Ok(all) => (act(client, arguments, &all).await.err(), all),
            Err(error) => (Some(error), vec![]),
        };
        let problem = problem.map(|error| error.to_string());
        if begun.elapsed() >= arguments.timeout.0 {
            return Err(unfinished(arguments, &all, problem.as_deref()).into());
        }
        let line = progress(&all, problem.as_deref());
        if line != said || said_at.elapsed() >= PROGRESS {
            println!("{line}");
            (said, said_at) = (line, Instant::now());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// One round: policies first, then deletions. Gives the first problem, after all was tried.
async fn act(client: &Client, arguments: &Drain, all: &[Left]) -> Result<(), kube::Error> {
    let mut problem = Ok(());
    for one in all {
        let done = match (one.kind, arguments.policy) {
            (Kind::Token, Some(policy)) if one.policy() != policy => set_policy(client, one, policy).await,
            _ => Ok(()),
        };
        let done = if done.is_ok() && !one.is_deleting() { delete(client, one).await } else { done };
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

fn unfinished(arguments: &Drain, all: &[Left], problem: Option<&str>) -> String {
    let mut text = format!("not drained within {}. {}\n", arguments.timeout, progress(all, problem));
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

    #[test]
    fn what_is_left_is_named_with_what_it_waits_for() {
        let token = json!({
            "metadata": {"namespace": "team-a", "name": "pull", "deletionTimestamp": "2030-01-01T00:00:00Z"},
            "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "IssuerNotReady", "message": "the portal is down"}]},
        });
        let all: Vec<Left> = (0..25).map(|_| left(Kind::Token, &token)).collect();
        let cli = crate::cli::Cli::try_parse_from(["registry-token-operator", "drain"]).expect("parsed");
        let crate::cli::Command::Drain(arguments) = cli.command else { panic!("another command") };
        let text = unfinished(&arguments, &all, None);
        assert!(text.starts_with("not drained within 10m. left: 25 RegistryTokens, 0 issuers"), "{text}");
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
