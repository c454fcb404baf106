//! Requests a token.

use super::confirm::Unmarked;
use super::forms::Course;
use super::known::Known;
use super::wire::{Gathered, Values};
use super::{Failure, IssuedToken, Sent, ThinkwisePortal, TokenRef, caution, nameable};
use crate::api::Reason;
use crate::portal::TokenMade;
use tokio::time::Instant;

impl ThinkwisePortal {
    pub(super) async fn request_token(&self, namespace: &str, description: &str) -> Result<IssuedToken, Failure> {
        let deadline = self.http.deadline();
        let known = self.known(deadline).await?;
        self.caution.leave(namespace)?;
        let asked = self.ask(&known, namespace, description, deadline).await.inspect_err(|failure| {
            if failure.sent == Sent::Perhaps {
                self.marking.set(None);
            }
        });
        match asked? {
            (token, None) => Ok(token),
            (_, Some(unmarked)) => Err(self.dropped(&unmarked, description, deadline).await),
        }
    }

    async fn ask(
        &self,
        known: &Known,
        namespace: &str,
        description: &str,
        deadline: Instant,
    ) -> Result<(IssuedToken, Option<Unmarked>), Failure> {
        let course = Course::new(known, &known.interface.request, deadline);
        let ran = self.run(&course, &Values { description: Some(description), token: None }).await?;
        let status = ran.response.status();
        let mut gathered = Gathered::new(&known.interface.outputs, known.interface.id_kind());
        let end = self.finish(&course, ran, Some(&mut gathered)).await;
        let (id, username) = gathered.which();
        let (end, is_complete) = match (end, gathered.is_whole()) {
            (Ok(()), _) => (gathered.token(status), true),
            // A flow that stays unfinished is no reason to lose the secret.
            (Err(failure), true) => {
                let task = &course.task.name;
                tracing::warn!(task, %failure, "the token is there, its process flow could not be finished");
                (gathered.token(status), true)
            }
            // An answer that came whole and cannot be read is one too: a page, or one that is compressed.
            (Err(failure), false) => {
                let is_complete = failure.reason == Reason::AnswerMalformed;
                (Err(failure), is_complete)
            }
        };
        let is_listed = known.hidden.is_none();
        let end = match end {
            Ok(token) if is_listed => self.confirm(known, token, description, deadline).await,
            Ok(token) => nameable(&known.interface, token).map(|token| (token, None)),
            Err(failure) => Err(failure),
        };
        match &end {
            Ok(_) => self.caution.well(namespace),
            Err(failure) if is_complete => {
                self.doubt(failure);
                self.caution.ailing(namespace, failure);
            }
            Err(_) => {}
        }
        // Where there is a list, the mark in it tells more surely.
        end.map_err(|failure| {
            let made = if is_listed { None } else { caution::made(&known.interface, id, username) };
            Failure { made: made.map(Box::new), ..failure }
        })
    }

    /// What is wrong with a token whose marker was dropped. It is to be revoked by its id, and is marked by an
    /// edit before that: should the revocation fail, the next audit still finds it.
    async fn dropped(&self, unmarked: &Unmarked, description: &str, deadline: Instant) -> Failure {
        self.marking.set(None);
        let Unmarked { row, is_ours } = unmarked;
        let mut made = None;
        let what = if *is_ours {
            let meant = TokenRef { id: &row.id, username: &row.username };
            if let Err(failure) = self.edit(meant, description, deadline).await {
                tracing::warn!(username = row.username, %failure, "a token without its marker could not be marked");
            }
            made = Some(Box::new(TokenMade { id: row.id.clone(), username: row.username.clone() }));
            "It is revoked"
        } else {
            "The row may be another's, so it is left alone: look whether the token is to be revoked by hand"
        };
        let message = format!(
            "the portal drops the description: the row of the new token {} lacks the marker that was sent with it, without which \
             the token of a lost answer cannot be found. {what}. Have the task keep the description; where \
             spec.thinkwise.tasks.request.parameters is written, put it before another parameter",
            row.username
        );
        Failure { made, ..Failure::new(Sent::Perhaps, Reason::AnswerMalformed, message) }
    }
}
