//! Where the portal lists no tokens to our user: each object's token is tried at the registries, in the audit's place.

use super::audit::wake;
use super::context::Context;
use super::hands::Hands;
use super::issuers::{Audited, Handle, IssuerKey};
use super::world::World;
use crate::api::{Reason, RegistryToken};
use crate::domain::effect::{Named, Verdict};
use crate::domain::fault::Fault;
use crate::domain::faults::{unavailable, waiting};
use crate::domain::recorded::recorded;
use crate::domain::roll_call::{Evidence, RollCall};
use futures::{StreamExt, stream};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// So many are asked about at once.
const AT_ONCE: usize = 8;
/// The issuer's pass is held up for no longer; what was heard until then counts.
const AT_MOST: Duration = Duration::from_mins(2);

/// Asks the registries about every token of this issuer's objects, and wakes the objects that what they say
/// concerns.
pub async fn run(ctx: &Context, key: &IssuerKey, issuer: &Handle, most_percent: usize) -> Result<(), Fault> {
    let heard = tokio::select! {
        heard = ask(ctx, key, issuer) => heard,
        () = ctx.stop.cancelled() => return Err(unavailable("the operator is asked to end")),
    };
    let (vanished, first, complete) =
        (heard.vanished(most_percent), ctx.issuers.audited(key).is_none(), heard.is_complete());
    let audited = Audited { evidence: Evidence::RollCall(heard), vanished, left: None, first };
    ctx.issuers.set_audited(key, audited, issuer.facts.longest_answer);
    wake(ctx, key, issuer);
    if complete {
        return Ok(());
    }
    let message = "the registry, or the API server for its Secrets, did not answer for each token: the others are asked about next time";
    Err(waiting(Reason::RegistryUnavailable, message.to_owned()))
}

async fn ask(ctx: &Context, key: &IssuerKey, issuer: &Handle) -> RollCall {
    let former = ctx.issuers.audited(key);
    let former = former.as_ref().and_then(|audited| match &audited.evidence {
        Evidence::RollCall(heard) => Some(heard),
        Evidence::List(_) => None,
    });
    let mut heard = RollCall::new(ctx.clock.now(), former);
    let mut asked: Vec<(Named, Arc<RegistryToken>)> = ctx
        .naming(key)
        .into_iter()
        .filter_map(|token| {
            let world = World { object: Arc::clone(&token), secret: None, issuer: None };
            Some((heard.concerns(&recorded(&world.parse_object(ctx)), issuer.facts.longest_answer)?, token))
        })
        .collect();
    // Where not all can be asked, it is not always the same ones.
    let start = ctx.random().map_or(0, |bytes| asked.len() * usize::from(bytes[0]) / 256);
    asked.rotate_left(start);
    let answers = asked.into_iter().map(|(token, object)| async move {
        let verdict = Hands::new(World::cached(object, ctx), ctx).lets_in(&token).await;
        (token, verdict)
    });
    let mut answers = std::pin::pin!(stream::iter(answers).buffer_unordered(AT_ONCE));
    let end = Instant::now() + AT_MOST;
    while heard.goes_on() {
        match timeout_at(end, answers.next()).await {
            Ok(Some((token, verdict))) => {
                if let Verdict::Refused(why) = &verdict {
                    let username = token.username.as_str();
                    tracing::info!(issuer = key.name, username, detail = why, "a registry refuses a token");
                }
                heard.hear(&token, &verdict);
            }
            Ok(None) => {
                heard.complete();
                break;
            }
            Err(_) => break,
        }
    }
    heard
}
