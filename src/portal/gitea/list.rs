//! Reads the list of the user's tokens, and knows whether it is complete.
//!
//! Gitea 1.26 and Forgejo send the list in pages (`GetListOptions` in `routers/api/v1/utils/page.go`). Older versions read
//! all tokens with one query where no page is requested: such a list is complete. So the first request has no `page`. The
//! pages are sorted by the time of creation in seconds, and by nothing else. A deletion between two pages moves a token that
//! was not read to a page that was. A list that was read page by page therefore counts only if its length never shrank and no
//! token was missed; otherwise it is read again.

use super::errors::Operation;
use crate::api::Reason;
use crate::domain::model::token::{RowQuery, TokenRef, TokenRow};
use crate::portal::gitea::{Delivery, GiteaPortal, PortalError, RowSink};
use crate::portal::rest::{Matching, Method, invalid_response, total_count};
use serde::Deserialize;
use std::collections::HashSet;

/// The tokens on a page. Gitea's own maximum, unless `MAX_RESPONSE_ITEMS` is set.
const PAGE_SIZE: usize = 50;
/// A name has at most 255 characters, so this is sufficient for 30,000 tokens.
const MAX_PAGE_BYTES: usize = 32 << 20;
const MAX_PAGES: usize = 4_000;
/// The header that `SetTotalCountHeader` sets.
const TOTAL_COUNT: &str = "X-Total-Count";
/// Twenty times the largest list that the operator is designed for.
const MAX_TOKENS: usize = 200_000;
/// How often a list that changes while it is read page by page is read.
const MAX_READS: u8 = 3;

/// The part of `AccessToken` that is used. The list contains no secret, but its last eight characters, which are not read.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct ListedToken {
    pub id: i64,
    pub name: String,
}

/// A part of the list, or all of it.
struct Page {
    tokens: Vec<ListedToken>,
    /// The length of the whole list.
    total: Option<usize>,
}

/// The tokens that were passed on, and those that were seen in this read.
#[derive(Default)]
struct Progress {
    passed_on: HashSet<i64>,
    seen: HashSet<i64>,
    pages: usize,
}

impl GiteaPortal {
    /// Reads the whole list. Each token is passed on once.
    pub(super) async fn read_list(&self, sink: &mut dyn RowSink) -> Result<(), PortalError> {
        let mut progress = Progress::default();
        for _ in 0..MAX_READS {
            progress.seen.clear();
            if self.read_once(&mut progress, sink).await? {
                return Ok(());
            }
        }
        let message = "the list of tokens changed each time it was read: it is read again later";
        Err(PortalError::new(Delivery::Rejected, Reason::PortalError, message))
    }

    /// Returns the tokens that match. Gitea has no filter, so the whole list is read.
    pub(super) async fn find(&self, query: &RowQuery) -> Result<Vec<TokenRow>, PortalError> {
        if *query == RowQuery::Probe {
            let page = self.read_page(Some(1), 1).await?;
            return page.tokens.into_iter().take(1).map(|token| self.row(token)).collect();
        }
        if matches!(query, RowQuery::WithUsername(_)) {
            let message = "all tokens of a Gitea user have the same username: none is found by it";
            return Err(PortalError::new(Delivery::NotSent, Reason::RequestRejected, message));
        }
        let mut matching = Matching::new(query);
        self.read_list(&mut matching).await?;
        Ok(matching.into_rows())
    }

    /// Reads the list once; returns whether it is complete.
    async fn read_once(&self, progress: &mut Progress, sink: &mut dyn RowSink) -> Result<bool, PortalError> {
        let first = self.next_page(None, progress, sink).await?;
        let size = first.length;
        // More tokens than requested, or fewer: there are no further pages.
        if size > PAGE_SIZE || size == 0 || (size < PAGE_SIZE && first.total.is_none_or(|total| total <= size)) {
            return Ok(size != 0 || first.total.is_none_or(|total| total == 0));
        }
        let mut total = first.total;
        for number in 2.. {
            let page = self.next_page(Some(number), progress, sink).await?;
            if page.total < total {
                return Ok(false);
            }
            total = page.total;
            if page.length < size {
                break;
            }
        }
        Ok(first.total.is_none_or(|total| progress.seen.len() >= total))
    }

    async fn next_page(
        &self,
        number: Option<usize>,
        progress: &mut Progress,
        sink: &mut dyn RowSink,
    ) -> Result<PageLength, PortalError> {
        sink.before_page().await;
        progress.pages += 1;
        if progress.pages > MAX_PAGES {
            return Err(invalid_response(format!("Gitea's list of tokens has more than {MAX_PAGES} pages")));
        }
        let Page { tokens, total } = self.read_page(number, PAGE_SIZE).await?;
        let length = tokens.len();
        for token in tokens {
            progress.seen.insert(token.id);
            if progress.passed_on.insert(token.id) {
                sink.push(self.row(token)?);
            }
        }
        if progress.passed_on.len() > MAX_TOKENS {
            return Err(invalid_response(format!("Gitea's list of tokens has more than {MAX_TOKENS} tokens")));
        }
        Ok(PageLength { length, total })
    }

    async fn read_page(&self, number: Option<usize>, limit: usize) -> Result<Page, PortalError> {
        let mut url = self.tokens_address();
        url.query_pairs_mut().append_pair("limit", &limit.to_string());
        if let Some(number) = number {
            url.query_pairs_mut().append_pair("page", &number.to_string());
        }
        let answer = self.send(Operation::List, (Method::GET, url, None), MAX_PAGE_BYTES).await?;
        Ok(Page { tokens: tokens(&answer.body)?, total: total_count(&answer.headers, TOTAL_COUNT) })
    }

    fn row(&self, ListedToken { id, name }: ListedToken) -> Result<TokenRow, PortalError> {
        if id <= 0 {
            return Err(invalid_response("Gitea's list contains a token without an id".to_owned()));
        }
        let token = TokenRef { id: id.to_string(), username: self.spec.user.clone() };
        Ok(TokenRow { token, description: name, expiration_time: None })
    }
}

/// The number of tokens on a page, and in the whole list.
struct PageLength {
    length: usize,
    total: Option<usize>,
}

/// Reads a page of the list.
pub(super) fn tokens(body: &[u8]) -> Result<Vec<ListedToken>, PortalError> {
    serde_json::from_slice(body).map_err(|error| {
        invalid_response(format!("Gitea's list of tokens cannot be read ({:?} error)", error.classify()))
    })
}
