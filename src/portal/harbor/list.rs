//! Reads the list of robot accounts.
//!
//! `ListRobot` requires the id of the project, so the project is read first, each time: a project that was deleted and created
//! again has another id. The list is sorted by name where nothing else is requested, so a deletion between two pages would move
//! a robot account that was not read to a page that was. Here each page is the first one of the robot accounts with a higher
//! id than those that were read (`id=[7~]`, a range in `src/lib/q/builder.go`), sorted by id. So every robot account that
//! exists while the list is read is found once, whatever is created and deleted meanwhile.

use super::errors::Operation;
use super::robots::expiration_time;
use crate::api::Reason;
use crate::domain::model::token::{RowQuery, TokenRef, TokenRow};
use crate::portal::harbor::{Delivery, HarborPortal, PortalError, RowSink};
use crate::portal::rest::{Method, invalid_response, total_count};
use serde::Deserialize;

/// The most robot accounts that Harbor sends in a response (`pageSize` in `api/v2.0/swagger.yaml`).
const PAGE_SIZE: usize = 100;
/// A robot account with 64 permissions in each of 64 projects has 300 KiB.
const MAX_PAGE_BYTES: usize = 32 << 20;
const MAX_PROJECT_BYTES: usize = 1 << 20;
/// Enough for twenty times the largest list that the operator is designed for.
const MAX_PAGES: usize = 4_000;
const TOTAL_COUNT: &str = "X-Total-Count";

/// The part of `Robot` that is used. The list contains no secret (`ToSwagger` in `src/server/v2.0/handler/model/robot.go`).
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct ListedRobot {
    pub id: i64,
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub expires_at: i64,
}

#[derive(Deserialize)]
struct Project {
    project_id: i64,
    name: String,
}

/// Which robot accounts are requested.
struct Filter {
    /// Which list they are in.
    scope: String,
    /// The highest id, if it is limited.
    last_id: Option<i64>,
    /// A part of the description.
    description: Option<String>,
    page_size: usize,
}

impl HarborPortal {
    /// Reads the whole list.
    pub(super) async fn read_all(&self, sink: &mut dyn RowSink) -> Result<(), PortalError> {
        let all = Filter { scope: String::new(), last_id: None, description: None, page_size: PAGE_SIZE };
        self.read_from(1, all, sink).await
    }

    /// Reads the part of the list in which these rows are.
    pub(super) async fn read_rows(&self, query: &RowQuery, sink: &mut dyn RowSink) -> Result<(), PortalError> {
        let mut filter = Filter { scope: String::new(), last_id: None, description: None, page_size: PAGE_SIZE };
        let mut first_id = 1;
        match query {
            RowQuery::WithId(id) => {
                // What is no id is the id of nothing.
                let Ok(id) = id.parse() else { return Ok(()) };
                (first_id, filter.last_id) = (id, Some(id));
            }
            RowQuery::WithMarker(marker) => filter.description = Some(marker.nonce().to_string()),
            RowQuery::Probe => {
                filter.page_size = 1;
                filter.scope = self.scope().await?;
                return self.read_page(first_id, &filter).await?.robots.into_iter().try_for_each(|robot| {
                    sink.push(row(robot)?);
                    Ok(())
                });
            }
            RowQuery::WithUsername(_) => {}
        }
        self.read_from(first_id, filter, sink).await
    }

    async fn read_from(&self, first_id: i64, mut filter: Filter, sink: &mut dyn RowSink) -> Result<(), PortalError> {
        let mut next = first_id;
        for number in 0..MAX_PAGES {
            sink.before_page().await;
            if number == 0 {
                filter.scope = self.scope().await?;
            }
            let Page { robots, total } = self.read_page(next, &filter).await?;
            let length = robots.len();
            for robot in robots {
                if robot.id < next {
                    let message = "Harbor's list of robot accounts is not sorted by id from the one that was requested: Harbor 2.2 or later is required";
                    return Err(invalid_response(message.to_owned()));
                }
                next = robot.id.saturating_add(1);
                sink.push(row(robot)?);
            }
            // The server or a proxy may send fewer on a page than it was asked for.
            if length == 0 || total.map_or(length < PAGE_SIZE, |total| total <= length) {
                return Ok(());
            }
        }
        Err(invalid_response(format!("Harbor's list of robot accounts has more than {MAX_PAGES} pages")))
    }

    /// Which list is read: that of the project, or that of the system.
    async fn scope(&self) -> Result<String, PortalError> {
        let Some(name) = self.project() else { return Ok("Level=system".to_owned()) };
        let call = (Method::GET, self.address(&["projects", name]), None);
        let answer = self.send(Operation::List, call, MAX_PROJECT_BYTES).await?;
        let id = project_id(&answer.body, name)?;
        Ok(format!("Level=project,ProjectID={id}"))
    }

    async fn read_page(&self, first_id: i64, filter: &Filter) -> Result<Page, PortalError> {
        let last_id = filter.last_id.map_or_else(String::new, |id| id.to_string());
        let mut query = format!("{},id=[{first_id}~{last_id}]", filter.scope);
        if let Some(part) = &filter.description {
            query.push_str(",description=~");
            query.push_str(part);
        }
        let mut url = self.address(&["robots"]);
        url.query_pairs_mut()
            .append_pair("q", &query)
            .append_pair("sort", "id")
            .append_pair("page", "1")
            .append_pair("page_size", &filter.page_size.to_string());
        let answer = self.send(Operation::List, (Method::GET, url, None), MAX_PAGE_BYTES).await?;
        Ok(Page { robots: robots(&answer.body)?, total: total_count(&answer.headers, TOTAL_COUNT) })
    }
}

/// A part of the list.
struct Page {
    robots: Vec<ListedRobot>,
    /// How many robot accounts match the filter.
    total: Option<usize>,
}

fn row(ListedRobot { id, name, description, expires_at }: ListedRobot) -> Result<TokenRow, PortalError> {
    if id <= 0 {
        return Err(invalid_response("Harbor's list contains a robot account without an id".to_owned()));
    }
    let token = TokenRef { id: id.to_string(), username: name };
    Ok(TokenRow { token, description, expiration_time: expiration_time(expires_at) })
}

/// Reads a page of the list. A list without robot accounts is `null` (`results` in `ListRobot`).
pub(super) fn robots(body: &[u8]) -> Result<Vec<ListedRobot>, PortalError> {
    let robots: Option<Vec<ListedRobot>> = serde_json::from_slice(body).map_err(|error| {
        invalid_response(format!("Harbor's list of robot accounts cannot be read ({:?} error)", error.classify()))
    })?;
    Ok(robots.unwrap_or_default())
}

/// Reads the id of the project that was requested.
pub(super) fn project_id(body: &[u8], name: &str) -> Result<i64, PortalError> {
    match serde_json::from_slice(body) {
        Ok(Project { project_id, name: found }) if project_id > 0 && found == name => Ok(project_id),
        _ => {
            let message = format!("Harbor's response is not the project {name}");
            Err(PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message))
        }
    }
}
