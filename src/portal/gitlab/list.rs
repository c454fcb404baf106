//! Reads the list of deploy tokens, and single ones by their id.
//!
//! The list is in pages, sorted by id (`add_default_order` in `lib/gitlab/pagination/offset_pagination.rb`). A deletion
//! between two pages moves every token after it towards the start. So the pages are read from the last one to the first one: a
//! token may move from a page that was read to one that is still to be read, and is then seen twice, but it is never missed.
//! New tokens are added at the end. The number of pages is in a header, except of lists that are longer than 10,000
//! (`exceeeds_count?` there); the end of those is looked for first.

use super::errors::Operation;
use super::tokens::expiration_time;
use crate::api::Reason;
use crate::domain::model::token::{RowQuery, TokenRef, TokenRow};
use crate::portal::gitlab::{GitLabPortal, PortalError, RowSink};
use crate::portal::rest::{Matching, Method, invalid_response, is_id, total_count};
use serde::Deserialize;
use std::collections::HashSet;

/// The tokens on a page: GitLab's maximum.
const PAGE_SIZE: usize = 100;
/// A token on a page has less than 2 KiB.
const MAX_PAGE_BYTES: usize = 8 << 20;
/// Twenty times the largest list that the operator is designed for.
const MAX_PAGES: usize = 2_000;
const TOTAL_PAGES: &str = "X-Total-Pages";

/// The part of `DeployToken` in `lib/api/entities/deploy_token.rb` that is used.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct ListedToken {
    pub id: i64,
    pub name: String,
    pub username: String,
    #[serde(default)]
    pub revoked: bool,
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// A part of the list.
struct Page {
    tokens: Vec<ListedToken>,
    /// How many pages the list has.
    pages: Option<usize>,
}

impl GitLabPortal {
    /// Reads the whole list. Each token is passed on once.
    pub(super) async fn read_list(&self, sink: &mut dyn RowSink) -> Result<(), PortalError> {
        sink.before_page().await;
        let first = self.read_page(1, PAGE_SIZE).await?;
        let last = match first.pages {
            Some(pages) => pages,
            None if first.tokens.len() < PAGE_SIZE => 1,
            None => self.last_page(sink).await?,
        };
        if last > MAX_PAGES {
            return Err(too_long());
        }
        let mut passed_on = HashSet::new();
        for number in (2..=last).rev() {
            sink.before_page().await;
            let page = self.read_page(number, PAGE_SIZE).await?;
            pass_on(page.tokens, &mut passed_on, sink)?;
        }
        // Where there are more pages, the first one is read again after them.
        let first = if last > 1 {
            sink.before_page().await;
            self.read_page(1, PAGE_SIZE).await?
        } else {
            first
        };
        pass_on(first.tokens, &mut passed_on, sink)
    }

    /// Returns the tokens that match. A token is looked up by its id; GitLab has no filter for anything else.
    pub(super) async fn find(&self, query: &RowQuery) -> Result<Vec<TokenRow>, PortalError> {
        let mut matching = Matching::new(query);
        match query {
            RowQuery::WithId(id) if is_id(id) => {
                pass_on(self.read_token(id).await?, &mut HashSet::new(), &mut matching)?;
            }
            // What is no id is the id of nothing.
            RowQuery::WithId(_) => {}
            RowQuery::Probe => {
                pass_on(self.read_page(1, 1).await?.tokens, &mut HashSet::new(), &mut matching)?;
            }
            RowQuery::WithMarker(_) | RowQuery::WithUsername(_) => self.read_list(&mut matching).await?,
        }
        Ok(matching.into_rows())
    }

    /// Reads one token, if it exists.
    async fn read_token(&self, id: &str) -> Result<Vec<ListedToken>, PortalError> {
        let call = (Method::GET, self.address(Some(id)), None);
        match self.send(Operation::Read, call, MAX_PAGE_BYTES).await {
            Ok(answer) => Ok(vec![token(&answer.body)?]),
            Err(failure) if failure.reason == Reason::TokenNotFound => Ok(vec![]),
            Err(failure) => Err(failure),
        }
    }

    /// Looks for the end of a list whose length GitLab does not count.
    async fn last_page(&self, sink: &mut dyn RowSink) -> Result<usize, PortalError> {
        for number in 2..=MAX_PAGES {
            sink.before_page().await;
            let page = self.read_page(number, PAGE_SIZE).await?;
            if let Some(pages) = page.pages {
                return Ok(pages);
            }
            if page.tokens.len() < PAGE_SIZE {
                return Ok(number);
            }
        }
        Err(too_long())
    }

    async fn read_page(&self, number: usize, size: usize) -> Result<Page, PortalError> {
        let mut url = self.address(None);
        url.query_pairs_mut().append_pair("page", &number.to_string()).append_pair("per_page", &size.to_string());
        let answer = self.send(Operation::List, (Method::GET, url, None), MAX_PAGE_BYTES).await?;
        let tokens = tokens(&answer.body)?;
        if tokens.len() > size {
            let message = "GitLab's list of deploy tokens has more tokens on a page than were requested";
            return Err(invalid_response(message.to_owned()));
        }
        Ok(Page { tokens, pages: total_count(&answer.headers, TOTAL_PAGES) })
    }
}

fn too_long() -> PortalError {
    invalid_response(format!("GitLab's list of deploy tokens has more than {MAX_PAGES} pages"))
}

/// Passes on the tokens that can log in, each once.
fn pass_on(tokens: Vec<ListedToken>, passed_on: &mut HashSet<i64>, sink: &mut dyn RowSink) -> Result<(), PortalError> {
    for ListedToken { id, name, username, revoked, expires_at } in tokens {
        if id <= 0 {
            return Err(invalid_response("GitLab's list contains a deploy token without an id".to_owned()));
        }
        if !revoked && passed_on.insert(id) {
            let token = TokenRef { id: id.to_string(), username };
            let expiration_time = expires_at.as_deref().and_then(expiration_time);
            sink.push(TokenRow { token, description: name, expiration_time });
        }
    }
    Ok(())
}

/// Reads a page of the list.
pub(super) fn tokens(body: &[u8]) -> Result<Vec<ListedToken>, PortalError> {
    serde_json::from_slice(body).map_err(|error| {
        invalid_response(format!("GitLab's list of deploy tokens cannot be read ({:?} error)", error.classify()))
    })
}

/// Reads one token.
pub(super) fn token(body: &[u8]) -> Result<ListedToken, PortalError> {
    serde_json::from_slice(body).map_err(|error| {
        invalid_response(format!("GitLab's response is not a deploy token ({:?} error)", error.classify()))
    })
}
