//! Credentials and CA from where the issuer refers to.

use crate::api::{Auth, CREDENTIALS_LABEL, ConfigMapKeyRef, DataKey, NamespaceName, ObjectName};
use crate::cli::cluster::{install_crypto_provider, kube_client, kube_config};
use crate::cli::error::CliError;
use crate::controller::{live_secret, safe_error_message};
use crate::kube_client::objects::ObjectClient;
use crate::plain_text::{self, TextError};
use crate::portal::Credentials;
use k8s_openapi::api::core::v1::ConfigMap;
use secrecy::SecretString;
use std::collections::BTreeMap;

/// The cluster of the kubeconfig.
pub(crate) struct ClusterSource {
    client: kube::Client,
    namespace: NamespaceName,
    /// A Secret must have the opt-in label, as for a `TokenIssuer`.
    requires_label: bool,
}

impl ClusterSource {
    pub(crate) async fn connect(
        context: Option<&str>,
        namespace: NamespaceName,
        requires_label: bool,
    ) -> Result<Self, CliError> {
        install_crypto_provider()?;
        let config = kube_config(context).await?;
        Ok(Self {
            client: kube_client(config, std::sync::Arc::default(), std::sync::Arc::default())?,
            namespace,
            requires_label,
        })
    }

    pub(crate) async fn credentials(&self, auth: &Auth) -> Result<Credentials, CliError> {
        if let Some(basic) = &auth.basic {
            let keys = &basic.secret_ref;
            let data = self.secret(&keys.name).await?;
            let username = self.value(&data, &keys.name, &keys.username_key)?;
            let password = SecretString::from(self.value(&data, &keys.name, &keys.password_key)?);
            return Ok(Credentials::Basic { username, password });
        }
        if let Some(token) = &auth.token {
            let keys = &token.secret_ref;
            let data = self.secret(&keys.name).await?;
            let token = SecretString::from(self.value(&data, &keys.name, &keys.token_key)?);
            return Ok(Credentials::Token { token });
        }
        let keys = auth.oauth2_client_credentials.as_ref().map(|oauth| &oauth.secret_ref);
        let keys = keys.ok_or("the auth of the issuer names no Secret: set the field of its type, such as basic")?;
        let data = self.secret(&keys.name).await?;
        let client_id = self.value(&data, &keys.name, &keys.client_id_key)?;
        let client_secret = SecretString::from(self.value(&data, &keys.name, &keys.client_secret_key)?);
        Ok(Credentials::ClientCredentials { client_id, client_secret })
    }

    pub(crate) async fn ca(&self, reference: &ConfigMapKeyRef) -> Result<String, CliError> {
        let (namespace, ConfigMapKeyRef { name, key }) = (&self.namespace, reference);
        let maps: ObjectClient<ConfigMap> = ObjectClient::namespaced(self.client.clone(), namespace.as_str());
        let found =
            maps.get_opt(name.as_str()).await.map_err(|error| format!("the ConfigMap {namespace}/{name}: {error}"))?;
        let found = found.unwrap_or_default();
        if found.binary_data.is_some_and(|data| data.contains_key(key.as_str())) {
            return Err(format!(
                "the key \"{key}\" of the ConfigMap {namespace}/{name} is binary data, such as DER or UTF-16: write the CA's certificates there as PEM, in UTF-8"
            )
            .into());
        }
        let text = found.data.and_then(|mut data| data.remove(key.as_str()));
        Ok(text.ok_or_else(|| format!("the ConfigMap {namespace}/{name} with the key \"{key}\" does not exist"))?)
    }

    async fn secret(&self, name: &ObjectName) -> Result<BTreeMap<String, k8s_openapi::ByteString>, CliError> {
        let namespace = &self.namespace;
        let found = live_secret::get(&self.client, namespace.as_str(), name.as_str()).await;
        let found = found.map_err(|error| format!("the Secret {namespace}/{name}: {}", safe_error_message(&error)))?;
        let missing = || {
            format!(
                "the Secret {namespace}/{name} does not exist: create it, or log in with --username, --client-id or --token-file"
            )
        };
        let found = found.ok_or_else(missing)?;
        let labeled = found.metadata.labels.as_ref().and_then(|labels| labels.get(CREDENTIALS_LABEL));
        if self.requires_label && labeled.is_none_or(|value| value != "true") {
            return Err(format!(
                "the Secret {namespace}/{name} lacks the opt-in label for TokenIssuers: run kubectl label secret {name} -n {namespace} {CREDENTIALS_LABEL}=true"
            )
            .into());
        }
        Ok(found.data.unwrap_or_default())
    }

    fn value(
        &self,
        data: &BTreeMap<String, k8s_openapi::ByteString>,
        name: &ObjectName,
        key: &DataKey,
    ) -> Result<String, CliError> {
        let namespace = &self.namespace;
        let bytes = data.get(key.as_str()).map(|bytes| bytes.0.as_slice()).unwrap_or_default();
        let text = plain_text::line(bytes).map_err(|problem| match problem {
            TextError::Empty => format!("the Secret {namespace}/{name} has no key \"{key}\", or it is empty: add it"),
            other => format!("the key \"{key}\" of the Secret {namespace}/{name} {other}"),
        })?;
        Ok(text.to_owned())
    }
}
