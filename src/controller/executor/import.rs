//! Requests of an import: the content of a handed-over Secret, whether its login works, and whether another object has its
//! token.

use super::held_tokens::{holds, is_stored_for, names_token};
use super::{Executor, response_from_api_error};
use crate::controller::issuer_object::IssuerKey;
use crate::controller::state::issuer_cache::ConnectedIssuer;
use crate::domain::model::dockerconfig::{DATA_KEY, SECRET_TYPE};
use crate::domain::model::foreign_login;
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::problem::messages::import_failed;
use crate::domain::model::token::{TokenRef, username_key};
use crate::domain::protocol::{ImportContent, Response};
use crate::portal::token_name::TokenName;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use secrecy::SecretString;

impl Executor<'_> {
    /// Reads the Secret, which another client wrote.
    pub(crate) async fn read_import(&mut self) -> Response {
        let found = match self.get_secret().await {
            Ok(found) => found,
            Err(error) => return response_from_api_error(error),
        };
        let content = found.as_ref().map(|found| self.classify_import(found));
        let meta = self.set_secret_meta(found.map(|found| found.metadata));
        Response::Import(meta.zip(content).map(|(meta, content)| Box::new((*meta, content))))
    }

    fn classify_import(&self, found: &Secret) -> ImportContent {
        if found.type_.as_deref() != Some(SECRET_TYPE) {
            return ImportContent::WrongType;
        }
        if found.immutable == Some(true) {
            return ImportContent::Immutable;
        }
        let registries = self.snapshot.issuer.as_ref().map(|issuer| issuer.hosts.as_slice()).unwrap_or_default();
        let data = found.data.as_ref().and_then(|data| data.get(DATA_KEY)).map(|content| content.0.as_slice());
        match foreign_login::parse(data.unwrap_or_default(), registries) {
            Ok(login) => ImportContent::Login { username: login.username },
            Err(why) => ImportContent::Unusable(why),
        }
    }

    /// Verifies the login in the Secret at the issuer's registries, in the version that was read.
    pub(crate) async fn verify_imported_login(&self) -> Response {
        let Some(issuer) = self.snapshot.issuer.clone() else { return Response::IssuerChanged };
        let found = match self.get_secret().await {
            Ok(Some(found)) => found,
            Ok(None) => return Response::Conflict,
            Err(error) => return response_from_api_error(error),
        };
        let version = self.snapshot.secret.as_ref().and_then(|meta| meta.resource_version.as_ref());
        if found.metadata.resource_version.as_ref() != version {
            return Response::Conflict;
        }
        let content = found.data.and_then(|mut data| data.remove(DATA_KEY)).unwrap_or_default();
        let Ok(login) = foreign_login::parse(&content.0, &issuer.hosts) else { return Response::Conflict };
        let password = SecretString::from(login.password.as_str());
        Response::Login(self.check_all_registries(&issuer, &login.username, &password).await)
    }

    /// Logs in with a random password. It is enough if one registry rejects it: that one has accepted the login in the Secret.
    pub(crate) async fn try_random_password(&self, username: &str) -> Response {
        let Some(issuer) = self.snapshot.issuer.clone() else { return Response::IssuerChanged };
        let Some(random) = self.ctx.random() else { return Response::Conflict };
        let password = SecretString::from(URL_SAFE_NO_PAD.encode(random));
        let mut result = LoginResult::Accepted;
        for registry in &issuer.registries {
            match self.check_registry(registry, username, &password).await {
                rejected @ LoginResult::Rejected(_) => return Response::Login(rejected),
                unknown @ LoginResult::Unknown(_) => result = unknown,
                LoginResult::Accepted | LoginResult::NotChecked => {}
            }
        }
        Response::Login(result)
    }

    /// Checks that no other object has this token or imports it, whichever of the portal's issuers it names.
    pub(crate) fn claim_token(&self, token: &TokenRef) -> Response {
        let Some(issuer) = self.snapshot.issuer.clone() else { return Response::IssuerChanged };
        let invalid = |(what, name)| TokenName::parse(name).err().map(|why| format!("the token's {what} {why}"));
        if let Some(why) = [("id", token.id.as_str()), ("username", &token.username)].into_iter().find_map(invalid) {
            return Response::InvalidToken(import_failed(&why));
        }
        if !self.ctx.knows_all_tokens() {
            return Response::NotSent(import_failed(
                "a namespace that the operator watches could not be listed, so it is not known whether a RegistryToken there has this token",
            ));
        }
        if self.is_held_by_another(&issuer, token) {
            return Response::Conflict;
        }
        // The only row with its username: an id may be written in several ways.
        let claim = (issuer.info.portal_hash(), username_key(&token.username).to_owned());
        if self.ctx.import_claims.claim(claim, &self.snapshot.uid()) { Response::Done } else { Response::Conflict }
    }

    fn is_held_by_another(&self, issuer: &ConnectedIssuer, token: &TokenRef) -> bool {
        let (own, keys) = (self.snapshot.uid(), self.ctx.keyring.keys());
        let portal = &issuer.info.portal;
        let objects = self.ctx.tokens.all();
        let mut others = objects.iter().filter_map(|cached| cached.unpack());
        let is_other = |uid: Option<&str>| uid != Some(own.as_str());
        let secrets = self.ctx.secrets.state();
        others.any(|object| is_other(object.metadata.uid.as_deref()) && holds(&object, token, portal, &keys))
            || secrets.iter().filter_map(|cached| cached.meta()).any(|secret| {
                names_token(&secret, token)
                    .is_some_and(|owner| owner != own && self.is_stored_for_object(issuer, &secret, owner))
            })
    }

    /// Whether a Secret stores a token for the object with this UID, which exists. Its status need not name the token yet, so
    /// the portal is that of its issuer.
    fn is_stored_for_object(&self, issuer: &ConnectedIssuer, secret: &ObjectMeta, owner: &str) -> bool {
        let namespace = secret.namespace.as_deref().unwrap_or_default();
        let here = self.ctx.tokens.filter(|object| object.is_in(namespace));
        let object = here.iter().filter_map(|cached| cached.unpack()).find(|one| one.uid().as_deref() == Some(owner));
        let Some(object) = object else { return false };
        let its_issuer = self.ctx.issuers.connected(&IssuerKey::of(&object.spec.issuer_ref, namespace));
        let portal = &issuer.info.portal;
        let its_portal = its_issuer.as_ref().map(|found| &found.info.portal).filter(|its| its.is_same_location(portal));
        is_stored_for(secret, owner, [portal].into_iter().chain(its_portal), &self.ctx.keyring.keys())
    }
}
