//! One pass of an issuer: hold what its objects need, look at the portal, say what was found.

use super::audit::{self, Caches};
use super::cluster::ClusterError;
use super::context::Context;
use super::finalizers::is_held;
use super::issuer::{NotReady, prepare};
use super::issuer_hold::{Kept, hold, let_former_go, release, users};
use super::issuer_kind::IssuerObject;
use super::issuer_status::{Told, write_status};
use super::issuers::{Audited, Entry, Handle, IssuerKey};
use super::protect::was_in_use;
use super::release::{Leaving, judge, unfilled, word};
use super::roll_call;
use super::world::{Shared, World};
use crate::api::{Reason, RegistryToken};
use crate::domain::backoff;
use crate::domain::fault::Fault;
use crate::domain::observed::IssuerFacts;
use crate::domain::recorded::recorded;
use crate::kube_api::Objects;
use jiff::Timestamp;
use kube::Resource;
use kube::runtime::controller;
use kube::runtime::reflector::ObjectRef;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// A portal that works is looked at this often, and changed credentials are taken up.
const CHECK: Duration = Duration::from_mins(1);
/// So long after the process is to end an issuer's pass is given up.
const GIVEN_UP: Duration = Duration::from_secs(10);
/// How soon an issuer is looked at again that has something to let go, and waits for another one.
const SHARED: Duration = Duration::from_secs(1);
/// So many looks an issuer that is being deleted waits for the caches before it says so: they are filled soon, most often.
const QUIET_LOOKS: u32 = 3;
/// An issuer that is going looks this often whether its last object has gone.
const RELEASE: Duration = Duration::from_secs(2);

/// Looks at an issuer.
pub async fn reconcile<I>(object: Arc<I>, ctx: Shared, api: Objects<I>) -> Result<controller::Action, Infallible>
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let Some(_running) = ctx.passes.begin() else { return Ok(controller::Action::await_change()) };
    let ended = tokio::select! {
        ended = pass(&*object, &ctx, &api) => ended,
        // All of it can be done again, and a portal may take long to answer.
        () = late(&ctx) => return Ok(controller::Action::await_change()),
    };
    let wait = match ended {
        Ok(wait) => wait,
        Err(ClusterError::Conflict(_) | ClusterError::NotFound(_)) => Duration::from_millis(300),
        Err(error) => {
            tracing::warn!(issuer = object.key().name, %error, "the issuer could not be looked at; it is tried again");
            backoff::delay(ctx.memory.failed(&object.uid()), ctx.jitter())
        }
    };
    Ok(controller::Action::requeue(wait))
}

/// Ends some time after the process is to end.
async fn late(ctx: &Context) {
    ctx.stop.cancelled().await;
    tokio::time::sleep(GIVEN_UP).await;
}

async fn pass<I>(object: &I, ctx: &Context, api: &Objects<I>) -> Result<Duration, ClusterError>
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let (key, users) = (object.key(), users(ctx, &object.key()));
    let held = |object: &I| is_held(IssuerObject::finalizers(object));
    let object = &if !object.deleting() && (held(object) || was_in_use(object) || !users.is_empty()) {
        hold(object, ctx, api).await?
    } else {
        object.clone()
    };
    let found = match moved(ctx, object, &users) {
        Some(fault) => Err(fault),
        None => prepare(ctx, &key, object, held(object)).await,
    };
    note(ctx, &key, &found);
    // It went while the portal was asked: what was just noted must not outlive it.
    if !ctx.may_exist(&key) {
        super::missing(ctx, &key);
        return Ok(CHECK);
    }
    if object.deleting() {
        return leave(object, ctx, api, &found, &users).await;
    }
    let kept = if found.is_ok() { let_former_go(object, ctx).await? } else { Kept::default() };
    let failed = audit_if_due(ctx, &key, object, &found).await.err();
    let told = Told { found: &found, audit: failed.as_ref(), users: &users, kept: &kept.names };
    write_status(object, ctx, api, told).await?;
    match found.ok().filter(|_| failed.is_none()) {
        Some(issuer) => {
            ctx.memory.succeeded(&object.uid());
            let next = next_look(ctx, &key, object, &issuer);
            Ok(if kept.soon { next.min(SHARED) } else { next })
        }
        None => Ok(backoff::delay(ctx.memory.failed(&object.uid()), ctx.jitter())),
    }
}

/// Tokens do not move: an address that was changed while some live at the former one is not used.
fn moved(ctx: &Context, object: &dyn IssuerObject, users: &[Arc<RegistryToken>]) -> Option<(Reason, String)> {
    let former = object.status()?.portal.clone()?;
    let now = object.spec().thinkwise.as_ref()?;
    if former.url == now.url && former.scope == now.application {
        return None;
    }
    let lives = |token: &&Arc<RegistryToken>| {
        let world = World { object: Arc::clone(token), secret: None, issuer: None };
        let known = recorded(&world.parse_object(ctx));
        let portal = known.portal.filter(|_| known.token.is_some());
        portal.is_some_and(|portal| portal.url == former.url && portal.scope == former.scope)
    };
    let count = users.iter().filter(lives).count();
    (count > 0).then(|| {
        let message = format!(
            "{count} tokens live at {} ({}), and the issuer now names {} ({}): set it back, or create another issuer for the new address; tokens do not move",
            former.url, former.scope, now.url, now.application
        );
        (Reason::PortalChanged, message)
    })
}

/// Audits the portal when its time has come.
async fn audit_if_due(
    ctx: &Context,
    key: &IssuerKey,
    object: &dyn IssuerObject,
    found: &Result<Arc<Handle>, NotReady>,
) -> Result<(), Fault> {
    let Ok(issuer) = found else { return Ok(()) };
    let due = || until_audit(ctx, key, object, issuer).is_zero();
    // "Reconcile now", as on a RegistryToken.
    let asked = ctx.memory.asks_to_look(&object.uid(), object.annotations());
    let (facts, most) = (&issuer.facts, object.spec().audit.max_vanished_percent);
    if !facts.can_be_audited() || !(asked || due()) {
        return Ok(());
    }
    let most = usize::try_from(most).unwrap_or_default();
    let audited = if facts.list_visible {
        audit::run(ctx, key, issuer, most, Caches::Trusted).await
    } else {
        roll_call::run(ctx, key, issuer, most).await
    };
    match &audited {
        Ok(()) => ctx.memory.looked(&object.uid(), object.annotations()),
        Err(fault) => {
            tracing::warn!(issuer = key.name, reason = %fault.reason, detail = fault.message, "the audit failed");
        }
    }
    audited
}

/// An issuer that is being deleted: it goes, or says what it waits for. Returns how long until the next look.
async fn leave<I>(
    object: &I,
    ctx: &Context,
    api: &Objects<I>,
    found: &Result<Arc<Handle>, NotReady>,
    users: &[Arc<RegistryToken>],
) -> Result<Duration, ClusterError>
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let key = object.key();
    // Only filled caches say whether another issuer uses the same credentials. Released before that, this one would
    // leave its finalizer on them for good.
    if ctx.known_issuers().is_none() {
        let looks = ctx.memory.failed(&object.uid());
        if looks > QUIET_LOOKS {
            say(object, ctx, api, unfilled(ctx), users).await?;
        }
        return Ok(backoff::delay(looks, ctx.jitter()));
    }
    let leaving = judge(ctx, object, found).await?;
    if matches!(leaving, Leaving::Now) {
        release(object, ctx, api).await?;
        ctx.issuers.forget_audits(&key);
        ctx.issuers.set(key.clone(), Entry::Missing);
        // Its end may have been seen before that was noted.
        if !ctx.may_exist(&key) {
            super::missing(ctx, &key);
        }
        return Ok(CHECK);
    }
    say(object, ctx, api, word(object, &leaving, found.as_ref().err()), users).await?;
    let hindered = matches!(leaving, Leaving::Unaudited(_)) || found.is_err();
    if !hindered {
        ctx.memory.succeeded(&object.uid());
    }
    Ok(match leaving {
        Leaving::Later(left) => left,
        _ if hindered => backoff::delay(ctx.memory.failed(&object.uid()), ctx.jitter()),
        _ => RELEASE,
    })
}

/// Writes what an issuer waits for that is being deleted.
async fn say<I>(
    object: &I,
    ctx: &Context,
    api: &Objects<I>,
    waits: NotReady,
    users: &[Arc<RegistryToken>],
) -> Result<(), ClusterError>
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let kept = Kept::default();
    write_status(object, ctx, api, Told { found: &Err(waits), audit: None, users, kept: &kept.names }).await
}

/// How long until the portal is to be audited: never yet by this process, its time has come, or what
/// an unanswered request made would show by now.
fn until_audit(ctx: &Context, key: &IssuerKey, object: &dyn IssuerObject, issuer: &Handle) -> Duration {
    let now = ctx.clock.now();
    let counts = |audited: &Arc<Audited>| audited.fits(&issuer.facts) && audited.evidence.is_complete();
    let Some(audited) = ctx.issuers.audited(key).filter(counts) else { return Duration::ZERO };
    let until = |since: Timestamp, wait: Duration| {
        // What was noted while the clock ran ahead is due.
        let age = Duration::try_from(now.duration_since(since)).unwrap_or(wait);
        wait.saturating_sub(age)
    };
    let regular = until(audited.evidence.begun(), object.spec().audit.interval.0);
    // What an unanswered request made shows in a list only.
    let wanted = ctx
        .issuers
        .audit_wanted(key, now)
        .filter(|_| issuer.facts.list_visible)
        .map(|wanted| until(wanted, issuer.facts.longest_answer));
    wanted.map_or(regular, |wanted| regular.min(wanted))
}

fn next_look(ctx: &Context, key: &IssuerKey, object: &dyn IssuerObject, issuer: &Handle) -> Duration {
    if issuer.facts.can_be_audited() {
        CHECK.min(until_audit(ctx, key, object, issuer) + Duration::from_millis(100))
    } else {
        CHECK
    }
}

/// Notes what was found, and wakes the objects that it may concern.
fn note(ctx: &Context, key: &IssuerKey, found: &Result<Arc<Handle>, (Reason, String)>) {
    let former = ctx.issuers.get(key);
    let (entry, changed) = match (found, &former) {
        (Ok(handle), Some(Entry::Ready(old))) => (Entry::Ready(Arc::clone(handle)), !same(&old.facts, &handle.facts)),
        (Ok(handle), _) => (Entry::Ready(Arc::clone(handle)), true),
        (Err((reason, message)), Some(Entry::NotReady(old, said))) => {
            // What a person is to mend may be another thing now; what a network says differs each time.
            let steady = matches!(
                reason,
                Reason::CredentialsMissing
                    | Reason::CredentialsInvalid
                    | Reason::CredentialsNotLabeled
                    | Reason::TrustMissing
                    | Reason::MetadataMismatch
            );
            (Entry::NotReady(*reason, message.clone()), old != reason || (steady && said != message))
        }
        (Err((reason, message)), _) => (Entry::NotReady(*reason, message.clone()), true),
    };
    ctx.issuers.set(key.clone(), entry);
    if changed {
        // Looked for only now: whoever decided on the former entry is in the cache by then.
        for user in users(ctx, key) {
            let _ = ctx.wake_token.send(ObjectRef::from_obj(&*user));
        }
    }
}

/// Whether objects would decide the same.
fn same(old: &IssuerFacts, new: &IssuerFacts) -> bool {
    old == new
}
