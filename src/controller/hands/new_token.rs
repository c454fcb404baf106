//! A token that was just requested: whether what the portal says of it can be recorded.

use super::Hands;
use crate::api::{Reason, RegistryToken};
use crate::controller::issuers::Handle;
use crate::domain::effect::{Answer, Named, Row};
use crate::domain::fault::Fault;
use crate::domain::faults::waiting;
use crate::domain::identity::same_id;
use crate::domain::token_mac::{MacKeys, Role, Subject};
use crate::portal::IssuedToken;
use crate::portal::identity::TokenName;
use kube::ResourceExt as _;

impl Hands<'_> {
    /// Keeps a token until its commit, unless another token of ours has its id already: then that id is not its own,
    /// and an edit or a revocation by it would hit the other one.
    pub(super) fn take_token(&mut self, issuer: &Handle, token: IssuedToken) -> Answer {
        let (id, username) = (token.id.clone(), token.username.clone());
        let is_used = id
            .as_deref()
            .is_some_and(|id| self.is_taken(issuer, &Named { id: id.to_owned(), username: username.clone() }));
        if !is_used {
            self.token = Some(token);
            return Answer::Token { id, username };
        }
        let fault = invalid(
            "the id in the portal's answer to the request is that of another token: the output is not the token's id. \
             Correct or remove spec.thinkwise.tasks.request.outputs.id of the issuer",
        );
        if issuer.facts.list_visible {
            return Answer::Invalid(fault);
        }
        // No list tells the true id, and that of another token must not be revoked: what is left is the username.
        Answer::Useless { token: Named { id: username.clone(), username }, fault }
    }

    fn is_taken(&self, issuer: &Handle, token: &Named) -> bool {
        let portal = &issuer.facts.portal;
        let own = self.world.uid();
        let keys = self.ctx.keyring.keys();
        self.ctx.naming(&self.world.issuer_key()).iter().any(|object| {
            let is_own = object.uid().as_deref() == Some(own.as_str());
            let is_here = |status: &crate::api::RegistryTokenStatus| {
                let home = status.portal.as_ref();
                home.is_some_and(|home| {
                    (&home.kind, &home.url, &home.scope) == (&portal.kind, &portal.url, &portal.scope)
                })
            };
            let has = |live: &Named| same_id(&live.id, &token.id) && !(is_own && live == token);
            object.status.as_ref().is_some_and(is_here) && live(object, &keys).iter().any(has)
        })
    }

    /// The rows, unless one of them is the token in hand under an id that cannot be recorded.
    pub(super) fn recordable(&self, rows: Vec<Row>) -> Answer {
        let in_hand = self.token.as_ref().map(|token| token.username.as_str());
        let odd = rows.iter().find_map(|row| {
            let is_ours = in_hand == Some(row.token.username.as_str());
            TokenName::parse(&row.token.id).err().filter(|_| is_ours).map(|why| (row.token.clone(), why))
        });
        match odd {
            None => Answer::Rows(rows),
            Some((token, why)) => {
                let fault =
                    invalid(&format!("the token's id in the portal's list {why}: check spec.thinkwise.table.key"));
                Answer::Useless { token, fault }
            }
        }
    }
}

fn invalid(message: &str) -> Fault {
    waiting(Reason::AnswerMalformed, message.to_owned())
}

/// The tokens that an object's own status names with proof and that nobody is known to have revoked: the portal may
/// give the id of one that is gone to another. A forged entry must not keep others from a token.
fn live(object: &RegistryToken, keys: &MacKeys) -> Vec<Named> {
    let Some(status) = object.status.as_ref().filter(|status| status.uid == object.uid()) else { return vec![] };
    let (Some(portal), Some(uid)) = (&status.portal, &status.uid) else { return vec![] };
    let proved = |token: &Named, role, mac: Option<&String>| {
        mac.is_some_and(|mac| keys.verify(Subject::of(uid, portal, token), role, mac))
    };
    let revocation = status.upstream_revocation.as_ref();
    let current = status
        .token
        .as_ref()
        .filter(|token| revocation.is_none_or(|revocation| !revocation.concerns(&token.request_time)))
        .map(|token| (Named::from(token), Role::Current, token.mac.as_ref()));
    let retiring = status.retiring.iter().filter(|token| !token.revoked_upstream);
    let retiring = retiring.map(|token| (Named::from(token), Role::Retiring, token.mac.as_ref()));
    let named = current.into_iter().chain(retiring);
    named.filter(|(token, role, mac)| proved(token, *role, *mac)).map(|(token, ..)| token).collect()
}
