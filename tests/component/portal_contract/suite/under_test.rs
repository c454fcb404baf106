//! A portal to which the suite applies.

use crate::fault_proxy::Reply;
use futures::future::BoxFuture;
use registry_token_operator::api::{Limits, Reason};
use registry_token_operator::portal::{Credentials, Portal};

/// How a portal differs from others in what no `Capabilities` say.
#[derive(Clone, Debug)]
pub struct Traits {
    /// How the address of the list ends.
    pub list: &'static str,
    /// The field of a response that contains the secret of a new token.
    pub secret_field: &'static str,
    /// The most tokens on a page of its list.
    pub page_size: usize,
    /// Its next page begins after a number of rows, so that a deletion may hide the row after them from this read.
    pub rows_shift: bool,
    /// It refuses a second request with the same description, because of the name in it.
    pub refuses_duplicates: bool,
    /// A refusal without its own words proves nothing.
    pub explains_refusals: bool,
    /// The reason for which a token that does not exist is not revoked.
    pub missing_token: Reason,
    /// Responses with status 200 that are no lists, in addition to those that are none at any portal.
    pub broken_lists: Vec<String>,
    /// How it says that it allows no further token.
    pub token_limit: Reply,
}

/// Where a portal is, and how to log in.
pub struct Access {
    /// The address of its root.
    pub url: String,
    /// The CA of its certificate; the system's roots if `None`.
    pub ca_pem: Option<String>,
    /// The operator's login.
    pub credentials: Credentials,
}

/// A token as the portal itself shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveToken {
    pub id: String,
    pub description: String,
}

/// A portal to which the suite applies. Tokens are created and read here as another client does, without the client that
/// is tested.
pub trait PortalUnderTest: Send + Sync {
    fn traits(&self) -> Traits;

    /// Where it is, and how the operator logs in.
    fn access(&self) -> Access;

    /// The client that is tested, with this root and login.
    fn connect(&self, url: &str, credentials: Credentials, limits: Limits) -> Box<dyn Portal>;

    /// Creates a token with this description.
    fn add<'a>(&'a self, description: &'a str) -> BoxFuture<'a, ()>;

    /// All tokens, whosever they are.
    fn tokens(&self) -> BoxFuture<'_, Vec<LiveToken>>;

    /// Deletes a token.
    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, ()>;

    /// Tells a portal whose responses contain addresses that it is reached at this origin.
    fn set_origin(&self, _origin: &str) {}
}
