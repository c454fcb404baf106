//! Where the portal lists no tokens to our user: each object's token is tried at the registries, in the audit's place.

use super::audit::{owner, wake};
use super::context::Context;
use super::hands::Hands;
use super::issuers::{Audited, Handle, IssuerKey};
use super::world::World;
use crate::domain::effect::{Named, Verdict};
use crate::domain::fault::Fault;
use crate::domain::faults::unavailable;
use crate::domain::roll_call::{Evidence, RollCall};
use futures::{StreamExt, stream};

/// So many are asked about at once: of ten thousand tokens a minute's work, which holds the issuer's pass up.
const AT_ONCE: usize = 8;

/// Asks the registries about every token of this issuer's objects, and wakes the objects that what they say
/// concerns.
pub async fn run(ctx: &Context, key: &IssuerKey, issuer: &Handle, most_percent: usize) -> Result<(), Fault> {
    let heard = tokio::select! {
        heard = ask(ctx, key, issuer) => heard,
        () = ctx.stop.cancelled() => return Err(unavailable("the operator is asked to end")),
    };
    if !heard.goes_on() {
        tracing::warn!(issuer = key.name, "the registry cannot be asked: whether tokens were revoked is not known");
    }
    let (vanished, first) = (heard.vanished(most_percent), ctx.issuers.audited(key).is_none());
    let audited = Audited { evidence: Evidence::RollCall(heard), vanished, left: None, first };
    ctx.issuers.set_audited(key, audited, issuer.facts.longest_answer);
    wake(ctx, key, issuer);
    Ok(())
}

async fn ask(ctx: &Context, key: &IssuerKey, issuer: &Handle) -> RollCall {
    let mut heard = RollCall::new(ctx.clock.now());
    let facts = &issuer.facts;
    let asked: Vec<(Named, World)> = ctx
        .naming(key)
        .into_iter()
        .filter_map(|token| {
            let named = heard.concerns(&owner(&token), &facts.portal.user, facts.longest_answer)?.clone();
            Some((named, World::cached(token, ctx)))
        })
        .collect();
    let answers = asked.into_iter().map(|(token, world)| async move {
        let verdict = Hands::new(world, ctx).lets_in(&token).await;
        (token, verdict)
    });
    let mut answers = std::pin::pin!(stream::iter(answers).buffer_unordered(AT_ONCE));
    while let Some((token, verdict)) = answers.next().await {
        if let Verdict::Refused(why) = &verdict {
            tracing::info!(issuer = key.name, username = token.username, detail = why, "a registry refuses a token");
        }
        heard.hear(&token, &verdict);
        if !heard.goes_on() {
            break;
        }
    }
    heard
}
