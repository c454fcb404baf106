//! Decides whether the response to a token request can be recorded.

use super::Executor;
use crate::api::{Reason, RegistryToken};
use crate::controller::state::issuer_cache::ConnectedIssuer;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::transient;
use crate::domain::model::token::{TokenRef, TokenRow, same_id};
use crate::domain::model::token_mac::{MacKeys, MacSubject, TokenRole};
use crate::domain::protocol::Response;
use crate::portal::IssuedToken;
use crate::portal::token_name::TokenName;
use kube::ResourceExt as _;

impl Executor<'_> {
    /// Keeps a token until its commit, unless another token already has its id: such an id is wrong, and an edit or a
    /// revocation by it would affect the other token.
    pub(crate) fn accept_token(&mut self, issuer: &ConnectedIssuer, token: IssuedToken) -> Response {
        let (id, username) = (token.id.clone(), token.username.clone());
        let is_used = id
            .as_deref()
            .is_some_and(|id| self.is_id_in_use(issuer, &TokenRef { id: id.to_owned(), username: username.clone() }));
        if !is_used {
            self.uncommitted = Some(token);
            return Response::Token { id, username };
        }
        let problem = invalid_response(&format!(
            "the id in the portal's response to the request belongs to another token: the output is not the token's id. \
             Correct or remove {} of the issuer",
            issuer.info.portal.kind.spec_fields().id_output
        ));
        if issuer.info.list_visible {
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
            let is_here = |status: &crate::api::RegistryTokenStatus| {
                let home = status.portal.as_ref();
                home.is_some_and(|home| {
                    (&home.kind, &home.url, &home.scope) == (&portal.kind, &portal.url, &portal.scope)
                })
            };
            let has = |live: &TokenRef| same_id(&live.id, &token.id) && !(is_own && live == token);
            object.status.as_ref().is_some_and(is_here) && live_tokens(&object, &keys).iter().any(has)
        })
    }

    /// Returns the rows, unless one of them is the uncommitted token with an id that cannot be recorded.
    pub(crate) fn check_rows(&self, issuer: &ConnectedIssuer, rows: Vec<TokenRow>) -> Response {
        let uncommitted = self.uncommitted.as_ref().map(|token| token.username.as_str());
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

/// The tokens in the object's own status with a valid MAC that are not known to be revoked: the portal may reuse the id
/// of a deleted token. A forged entry must not block other objects from getting a token.
fn live_tokens(object: &RegistryToken, keys: &MacKeys) -> Vec<TokenRef> {
    let Some(status) = object.status.as_ref().filter(|status| status.uid == object.uid()) else { return vec![] };
    let (Some(portal), Some(uid)) = (&status.portal, &status.uid) else { return vec![] };
    let proved = |token: &TokenRef, role, mac: Option<&String>| {
        mac.is_some_and(|mac| keys.verify(MacSubject::of(uid, portal, token), role, mac))
    };
    let revocation = status.upstream_revocation.as_ref();
    let current = status
        .token
        .as_ref()
        .filter(|token| revocation.is_none_or(|revocation| !revocation.applies_to(&token.request_time)))
        .map(|token| (TokenRef::from(token), TokenRole::Current, token.mac.as_ref()));
    let retiring = status.retiring.iter().filter(|token| !token.revoked_upstream);
    let retiring = retiring.map(|token| (TokenRef::from(token), TokenRole::Retiring, token.mac.as_ref()));
    let named = current.into_iter().chain(retiring);
    named.filter(|(token, role, mac)| proved(token, *role, *mac)).map(|(token, ..)| token).collect()
}
