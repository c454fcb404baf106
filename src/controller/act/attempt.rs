//! Drives one attempt: performs what the state machine asks for and brings the answers. The only
//! place that holds a token's secret, between the portal's answer and the commit.

use super::portal::fault_of;
use super::secret::{self, Change};
use super::{Step, longest_answer};
use crate::api::{ABANDONED_ANNOTATION, Reason, RecordedToken, RetiringToken};
use crate::controller::cluster::ClusterError;
use crate::controller::context::Context;
use crate::controller::issuer::{Withdrawn, check_usable};
use crate::controller::issuers::Handle;
use crate::controller::status;
use crate::controller::world::{Freshness, World};
use crate::domain::attempt::{Answer, Fault, Machine, Mine, Next, Outcome, Request};
use crate::domain::decide::{not_ours, unanswered, waiting};
use crate::domain::dockerconfig;
use crate::domain::marker::{Attempt, Marker, Nonce};
use crate::domain::pull_secret::{Abandoned, Ownership, Reservation, Stored};
use crate::domain::status::Fact;
use crate::portal::limits::Priority;
use crate::portal::{IssuedToken, Rows, Sent, TokenRef};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A request is sent within this time of reading the issuer, or the issuer is read again.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// How often a new token's id is looked up: a portal's list may lag a moment.
const LOOK_UPS: u32 = 4;

struct Driver<'a> {
    world: &'a mut World,
    ctx: &'a Context,
    issuer: Arc<Handle>,
    attempt: Attempt,
    marker: Marker,
    token: Option<IssuedToken>,
    meta: Option<ObjectMeta>,
    issuer_read: Instant,
    asked: Timestamp,
}

/// Tries once to get a token.
pub async fn run(world: &mut World, ctx: &Context) -> Step {
    let Some(issuer) = ctx.issuers.handle(&world.issuer_key()) else { return Step::Again };
    let Some(bytes) = ctx.random() else {
        return Step::Failed(waiting(Reason::ClusterUnavailable, "the system gives no randomness".to_owned()));
    };
    let attempt = Attempt::from_random(&bytes);
    let marker = Marker::new(issuer.tag.clone(), Nonce::of(&world.uid(), &attempt));
    let meta = world.secret.clone();
    let (issuer_read, asked) = (Instant::now(), Timestamp::now());
    let mut driver = Driver { world, ctx, issuer, attempt, marker, token: None, meta, issuer_read, asked };
    let mut machine = Machine::begin();
    loop {
        match machine.next() {
            Next::End(outcome) => return driver.end(outcome),
            Next::Do(request) => machine = machine.step(driver.perform(request).await),
        }
    }
}

impl Driver<'_> {
    fn end(self, outcome: Outcome) -> Step {
        self.world.room = None;
        self.world.secret = self.meta;
        match outcome {
            Outcome::Recorded => {
                self.world.unsettled = true;
                Step::Again
            }
            Outcome::LookAgain => {
                self.world.fresh = false;
                Step::Retry
            }
            Outcome::Failed(fault) => Step::Failed(fault),
        }
    }

    async fn perform(&mut self, request: Request) -> Answer {
        tracing::debug!(object = %self.world.name(), ?request, "attempt");
        match request {
            Request::Reserve => self.reserve().await,
            Request::ReadIssuer => self.read_issuer().await,
            Request::Token => self.ask().await,
            Request::FindId => self.find_id().await,
            Request::Commit { id } => self.commit(id).await,
            Request::ReadSecret => self.read_secret().await,
            Request::Drop => self.take_back().await,
            Request::Abandon => self.abandon().await,
            Request::Revoke { id } => self.revoke(&id).await,
            Request::Retire { id } => self.retire(id).await,
            Request::Record { id } => self.record(id).await,
        }
    }

    async fn reserve(&mut self) -> Answer {
        let reservation = Reservation { attempt: self.attempt.clone(), holder: self.ctx.holder.clone() };
        let written = match self.meta.clone() {
            None => secret::create(self.world, self.ctx, &reservation).await,
            Some(meta) => self.reserve_in(&meta, &reservation).await,
        };
        match written {
            Ok(meta) => {
                self.meta = Some(meta);
                Answer::Done
            }
            Err(ClusterError::Exists(_)) => self.occupied().await,
            Err(error) => secret::refusal(error),
        }
    }

    /// A dry run of the commit goes first: a token that could not be stored is not asked for.
    async fn reserve_in(&self, meta: &ObjectMeta, reservation: &Reservation) -> Result<ObjectMeta, ClusterError> {
        let stored = Stored { attempt: self.attempt.clone(), id: "0".to_owned() };
        let registries = &self.issuer.facts.registries;
        let commit = Change::Commit { stored: &stored, content: dockerconfig::EMPTY, registries };
        secret::change(self.world, self.ctx, meta, &commit, true).await?;
        secret::change(self.world, self.ctx, meta, &Change::Reserve(reservation), false).await
    }

    /// There is a Secret of that name that our cache does not show.
    async fn occupied(&mut self) -> Answer {
        match self.world.read_secret(self.ctx).await {
            Ok(Some(meta)) if self.world.parse(&meta).ownership == Ownership::Foreign => Answer::Failed(not_ours()),
            Ok(meta) => {
                self.meta = meta;
                Answer::Unclear
            }
            Err(error) => secret::refusal(error),
        }
    }

    async fn read_issuer(&mut self) -> Answer {
        self.issuer_read = Instant::now();
        match check_usable(self.ctx, &self.world.issuer_key(), &self.world.namespace(), &self.issuer).await {
            Ok(()) => Answer::Done,
            Err(Withdrawn::Changed) => Answer::Unclear,
            Err(Withdrawn::Because(fault)) => Answer::Failed(fault),
        }
    }

    async fn ask(&mut self) -> Answer {
        let issuer = Arc::clone(&self.issuer);
        let permit = issuer.gate.call(Priority::Urgent, &self.world.namespace()).await;
        if self.issuer_read.elapsed() > SEND_WITHIN {
            match self.read_issuer().await {
                Answer::Done => {}
                Answer::Failed(fault) => return Answer::NotMade(fault),
                _ => {
                    return Answer::NotMade(waiting(
                        Reason::IssuerNotReady,
                        "the issuer changed; looking again".to_owned(),
                    ));
                }
            }
        }
        let description = self.marker.mark(&self.world.object.spec.description);
        self.asked = Timestamp::now();
        let answer = issuer.portal.request(&description).await;
        drop(permit);
        self.world.room = None;
        match answer {
            Ok(token) => {
                let id = token.id.clone();
                self.token = Some(token);
                Answer::Token { id }
            }
            Err(failure) => {
                let fault = fault_of(self.ctx, self.world, &issuer, &failure);
                if failure.sent == Sent::Perhaps {
                    let lost = unanswered();
                    return Answer::Failed(Fault { message: format!("{}. {}", failure.message, lost.message), ..lost });
                }
                Answer::NotMade(fault)
            }
        }
    }

    async fn find_id(&mut self) -> Answer {
        let Some(username) = self.token.as_ref().map(|token| token.username.clone()) else { return Answer::Unclear };
        let marker = self.marker.to_string();
        for look_up in 0..LOOK_UPS {
            tokio::time::sleep(Duration::from_millis(250) * look_up).await;
            let permit = self.issuer.gate.call(Priority::Urgent, &self.world.namespace()).await;
            let rows = self.issuer.portal.list(Rows::Containing(&marker)).await;
            drop(permit);
            let rows = rows.unwrap_or_default();
            if let Some(row) = rows.iter().find(|row| row.username == username && self.marker.is_in(&row.description)) {
                return Answer::Id(row.id.clone());
            }
        }
        Answer::Failed(unanswered())
    }

    async fn commit(&mut self, id: String) -> Answer {
        let (Some(meta), Some(token)) = (self.meta.clone(), self.token.as_ref()) else { return Answer::Unclear };
        let Ok(content) = dockerconfig::write(&self.issuer.hosts, &token.username, token.secret.expose_secret()) else {
            return Answer::Unclear;
        };
        let stored = Stored { attempt: self.attempt.clone(), id };
        let registries = &self.issuer.facts.registries;
        let commit = Change::Commit { stored: &stored, content: &content, registries };
        match secret::change(self.world, self.ctx, &meta, &commit, false).await {
            Ok(meta) => {
                self.meta = Some(meta);
                Answer::Done
            }
            Err(error) => secret::refusal(error),
        }
    }

    async fn read_secret(&mut self) -> Answer {
        let meta = match self.world.read_secret(self.ctx).await {
            Ok(meta) => meta,
            Err(error) => {
                tracing::debug!(%error, "what became of the commit is asked again");
                tokio::time::sleep(Duration::from_millis(500)).await;
                return Answer::Unclear;
            }
        };
        let says = meta.as_ref().map(|meta| self.world.parse(meta));
        self.meta = meta;
        Answer::Secret(match says {
            Some(secret) if secret.stored.as_ref().is_some_and(|stored| stored.attempt == self.attempt) => Mine::Stored,
            Some(secret) if secret.reservation.as_ref().is_some_and(|held| held.attempt == self.attempt) => {
                Mine::Reserved
            }
            _ => Mine::Neither,
        })
    }

    async fn abandon(&mut self) -> Answer {
        let until = Timestamp::now() + longest_answer(&self.issuer);
        let mut all = self.meta.as_ref().map(|meta| self.world.parse(meta).abandoned).unwrap_or_default();
        all.push(Abandoned { attempt: self.attempt.clone(), until });
        tracing::info!(object = %self.world.name(), annotation = ABANDONED_ANNOTATION, "attempt given up");
        self.change(&Change::Abandon(&all)).await
    }

    async fn take_back(&mut self) -> Answer {
        let (uid, memory) = (self.world.uid(), &self.ctx.memory);
        memory.made_nothing(&uid, &self.attempt);
        self.change(&Change::Drop).await
    }

    /// What cannot be written now is found by the next pass, which sees our reservation.
    async fn change(&mut self, change: &Change<'_>) -> Answer {
        let Some(meta) = self.meta.clone() else { return Answer::Unclear };
        match secret::change(self.world, self.ctx, &meta, change, false).await {
            Ok(meta) => {
                self.meta = Some(meta);
                Answer::Done
            }
            Err(error) => {
                tracing::debug!(%error, "the reservation stays for the next pass");
                Answer::Unclear
            }
        }
    }

    async fn revoke(&mut self, id: &str) -> Answer {
        let Some(username) = self.token.as_ref().map(|token| token.username.clone()) else { return Answer::Unclear };
        let _permit = self.issuer.gate.call(Priority::Urgent, &self.world.namespace()).await;
        match self.issuer.portal.revoke(TokenRef { id, username: &username }).await {
            Ok(()) => Answer::Done,
            Err(_) => Answer::Unclear,
        }
    }

    async fn retire(&mut self, id: String) -> Answer {
        let Some(username) = self.token.as_ref().map(|token| token.username.clone()) else { return Answer::Unclear };
        let retiring = RetiringToken { id, username, revocation_time: Time(Timestamp::now()) };
        match status::write(self.world, self.ctx, Fact::Retiring(retiring)).await {
            Ok(()) => Answer::Done,
            Err(_) => Answer::Unclear,
        }
    }

    async fn record(&mut self, id: String) -> Answer {
        let (Some(meta), Some(token)) = (self.meta.clone(), self.token.take()) else { return Answer::Unclear };
        let username = token.username.clone();
        // From here on nobody needs the secret.
        drop(token);
        let recorded =
            RecordedToken { id, username, nonce: self.marker.nonce().to_string(), request_time: Time(self.asked) };
        let fact = Fact::TokenStored {
            token: recorded,
            portal: self.issuer.facts.portal.clone(),
            secret: self.world.recorded_secret(&meta),
        };
        for _ in 0..3 {
            match status::write(self.world, self.ctx, fact.clone()).await {
                Ok(()) => return Answer::Done,
                Err(ClusterError::Conflict(_)) => {}
                Err(_) => return Answer::Unclear,
            }
            // Somebody edited the object meanwhile. Its status may have been written by another operator.
            let former = self.world.object.status.clone();
            match self.world.refresh(self.ctx).await {
                Ok(Freshness::Fresh) if self.world.object.status == former => {}
                _ => return Answer::Unclear,
            }
        }
        Answer::Unclear
    }
}
