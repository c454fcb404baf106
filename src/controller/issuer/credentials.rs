//! The objects that an issuer refers to: the Secret with its credentials, and each ConfigMap with a CA.

use crate::api::{CREDENTIALS_LABEL, DataKey, IssuerKind, IssuerSpec, Reason, Tls};
use crate::controller::api_call::call;
use crate::controller::context::Context;
use crate::controller::issuer_object::IssuerKey;
use crate::controller::live_secret;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::issuer_problem;
use crate::kube_client::objects::ObjectClient;
use crate::plain_text::{self, TextError};
use crate::portal::Credentials;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use secrecy::SecretString;
use std::collections::{BTreeMap, BTreeSet};

/// The namespace of an issuer's Secret and `ConfigMaps`: its own, or the operator's for a cluster issuer.
pub fn namespace_of<'a>(ctx: &'a Context, key: &'a IssuerKey) -> &'a str {
    if key.namespace.is_empty() { &ctx.namespace } else { &key.namespace }
}

/// Name of the Secret with the portal's credentials.
pub fn credentials_name(spec: &IssuerSpec) -> Option<String> {
    spec.connection()?.auth.secret_name().map(ToString::to_string)
}

/// Names of the `ConfigMaps` with the CAs of portal and registries, without duplicates.
pub fn ca_config_maps(spec: &IssuerSpec) -> Vec<String> {
    let portal = spec.connection().and_then(|connection| connection.tls);
    let all = portal.into_iter().chain(spec.registries.iter().filter_map(|registry| registry.tls.as_ref()));
    let names = all.filter_map(|tls| tls.ca_config_map_ref.as_ref()).map(|reference| reference.name.to_string());
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether an issuer of this kind may use a Secret. A user who may create a `TokenIssuer` is not necessarily allowed to
/// read the Secrets of the namespace, and could otherwise have any Secret sent to a server of their own.
pub fn may_use_secret(kind: IssuerKind, labels: Option<&BTreeMap<String, String>>) -> bool {
    let labeled = || labels.and_then(|labels| labels.get(CREDENTIALS_LABEL)).is_some_and(|value| value == "true");
    kind == IssuerKind::ClusterTokenIssuer || labeled()
}

/// Reads the Secret with an issuer's credentials.
pub async fn read_credentials_secret(ctx: &Context, key: &IssuerKey, spec: &IssuerSpec) -> Result<Secret, Problem> {
    let (namespace, name) = (namespace_of(ctx, key), credentials_name(spec).unwrap_or_default());
    let found = call("read the issuer's Secret", live_secret::get(&ctx.client, namespace, &name)).await?;
    let secret = found.ok_or_else(|| {
        issuer_problem(
            Reason::CredentialsMissing,
            format!("the Secret {namespace}/{name} with the portal's credentials does not exist: create it"),
        )
    })?;
    if may_use_secret(key.kind, secret.metadata.labels.as_ref()) {
        return Ok(secret);
    }
    let message = format!(
        "the Secret {namespace}/{name} lacks the opt-in label for TokenIssuers, so it is not used: if it contains the portal's credentials, run kubectl label secret {name} -n {namespace} {CREDENTIALS_LABEL}=true"
    );
    Err(issuer_problem(Reason::CredentialsNotLabeled, message))
}

/// The credentials in that Secret.
pub fn parse_credentials(namespace: &str, spec: &IssuerSpec, secret: Secret) -> Result<Credentials, Problem> {
    let name = credentials_name(spec).unwrap_or_default();
    let data = secret.data.unwrap_or_default();
    let value = |key: &DataKey| {
        let bytes = data.get(key.as_str()).map(|bytes| bytes.0.as_slice()).unwrap_or_default();
        plain_text::line(bytes).map(str::to_owned).map_err(|problem| invalid_value(namespace, &name, key, problem))
    };
    let auth = spec.connection().map(|connection| connection.auth);
    if let Some(basic) = auth.and_then(|auth| auth.basic.as_ref()) {
        let password = SecretString::from(value(&basic.secret_ref.password_key)?);
        return Ok(Credentials::Basic { username: value(&basic.secret_ref.username_key)?, password });
    }
    if let Some(token) = auth.and_then(|auth| auth.token.as_ref()) {
        return Ok(Credentials::Token { token: SecretString::from(value(&token.secret_ref.token_key)?) });
    }
    let keys = auth.and_then(|auth| auth.oauth2_client_credentials.as_ref()).map(|oauth| &oauth.secret_ref);
    let missing =
        || issuer_problem(Reason::CredentialsMissing, format!("{} names no Secret", spec.r#type.spec_fields().auth));
    let keys = keys.ok_or_else(missing)?;
    let client_secret = SecretString::from(value(&keys.client_secret_key)?);
    Ok(Credentials::ClientCredentials { client_id: value(&keys.client_id_key)?, client_secret })
}

/// Distinguishes an invalid value from a missing one.
fn invalid_value(namespace: &str, name: &str, key: &DataKey, problem: TextError) -> Problem {
    if problem == TextError::Empty {
        let message = format!("the Secret {namespace}/{name} has no key \"{key}\", or it is empty: add it");
        return issuer_problem(Reason::CredentialsMissing, message);
    }
    let message = format!("the key \"{key}\" of the Secret {namespace}/{name} {problem}");
    issuer_problem(Reason::CredentialsInvalid, message)
}

/// The CA certificates, if any are given.
pub async fn load_ca(ctx: &Context, key: &IssuerKey, tls: Option<&Tls>) -> Result<Option<String>, Problem> {
    let Some(tls) = tls.cloned() else { return Ok(None) };
    let Some(reference) = tls.ca_config_map_ref else { return Ok(tls.ca_bundle) };
    let (namespace, name, key) = (namespace_of(ctx, key), reference.name, reference.key);
    let maps: ObjectClient<ConfigMap> = ObjectClient::namespaced(ctx.client.clone(), namespace);
    let found = call("read the issuer's ConfigMap", maps.get_opt(name.as_str())).await?;
    let found = found.unwrap_or_default();
    if let Some(text) = found.data.and_then(|mut data| data.remove(key.as_str())) {
        return Ok(Some(text));
    }
    // kubectl stores data that are not UTF-8 there.
    let binary = found.binary_data.is_some_and(|data| data.contains_key(key.as_str()));
    let message = if binary {
        format!(
            "the key \"{key}\" of the ConfigMap {namespace}/{name} is binary data, such as DER or UTF-16: write the CA's certificates there as PEM, in UTF-8"
        )
    } else {
        format!(
            "the ConfigMap {namespace}/{name} with the key \"{key}\" does not exist: create it with the CA's certificates"
        )
    };
    Err(issuer_problem(Reason::CABundleInvalid, message))
}
