//! Decides whether the response to a token request can be recorded.

use super::Executor;
use super::held_tokens::{is_at_portal, proved_tokens};
use crate::api::Reason;
use crate::controller::state::issuer_cache::ConnectedIssuer;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::transient;
use crate::domain::model::token::{TokenRef, TokenRow, same_id};
use crate::domain::protocol::Response;
use crate::portal::IssuedToken;
use crate::portal::token_name::TokenName;
use kube::ResourceExt as _;

impl Executor<'_> {
    /// Keeps a token until its commit, unless another token already has its id: such an id is wrong, and an edit or a
    /// revocation by it would affect the other token.
    pub(crate) fn accept_token(&mut self, issuer: &ConnectedIssuer, token: IssuedToken) -> Response {
        let (id, username) = (token.id.clone(), token.username.clone());
        let expiration_time = token.expiration_time.or_else(|| {
            let validity = issuer.resolved.capabilities.expiry?;
            self.ctx.clock.now().checked_add(validity).ok()
        });
        let is_used = id
            .as_deref()
            .is_some_and(|id| self.is_id_in_use(issuer, &TokenRef { id: id.to_owned(), username: username.clone() }));
        if !is_used {
            self.uncommitted = Some(token);
            return Response::Token { id, username, expiration_time };
        }
        let problem = invalid_response(&format!(
            "the id in the portal's response to the request belongs to another token: the output is not the token's id. \
             Correct or remove {} of the issuer",
            issuer.info.portal.kind.spec_fields().id_output
        ));
        if issuer.info.list_visible || issuer.info.login_shared {
            return Response::InvalidToken(problem);
        }
        // No list shows the correct id, and the token with the reported id must not be revoked: only the username is
        // left.
        Response::UnusableToken { token: TokenRef { id: username.clone(), username }, problem }
    }

    fn is_id_in_use(&self, issuer: &ConnectedIssuer, token: &TokenRef) -> bool {
        let portal = &issuer.info.portal;
        let own = self.snapshot.uid();
        let keys = self.ctx.keyring.keys();
        let key = self.snapshot.issuer_key();
        let named = self.ctx.tokens.filter(|object| object.names_issuer(&key) && object.may_have_token(&token.id));
        named.iter().filter_map(|cached| cached.unpack()).any(|object| {
            let is_own = object.uid().as_deref() == Some(own.as_str());
            // Where the username is shared, an id that the object already has was reused for another token.
            let is_same = |live: &TokenRef| is_own && !issuer.info.login_shared && live == token;
            let has = |live: &TokenRef| same_id(&live.id, &token.id) && !is_same(live);
            is_at_portal(&object, portal)
                && proved_tokens(&object, &keys).iter().any(|held| held.is_live && has(&held.token))
        })
    }

    /// Returns the rows, unless one of them is the uncommitted token with an id that cannot be recorded. A shared username
    /// does not identify it.
    pub(crate) fn check_rows(&self, issuer: &ConnectedIssuer, rows: Vec<TokenRow>) -> Response {
        let identifying = self.uncommitted.as_ref().filter(|_| !issuer.info.login_shared);
        let uncommitted = identifying.map(|token| token.username.as_str());
        let invalid_row = rows.iter().find_map(|row| {
            let is_ours = uncommitted == Some(row.token.username.as_str());
            TokenName::parse(&row.token.id).err().filter(|_| is_ours).map(|why| (row.token.clone(), why))
        });
        match invalid_row {
            None => Response::Rows(rows),
            Some((token, why)) => {
                let problem = invalid_response(&format!(
                    "the token's id in the portal's list {why}: check {}",
                    issuer.info.portal.kind.spec_fields().list_key
                ));
                Response::UnusableToken { token, problem }
            }
        }
    }
}

fn invalid_response(message: &str) -> Problem {
    transient(Reason::InvalidResponse, message.to_owned())
}
