//! Access to the control plane: configurations, clients and kubeconfig files for different users.

use super::certs::Identity;
use super::error::{Context, Error, Result};
use super::start::ControlPlane;
use super::wait::wait_for;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client, Config};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a `ServiceAccount` token is valid: longer than any test runs.
const TOKEN_SECONDS: i64 = 3600;

impl ControlPlane {
    /// A configuration for a user with all permissions (in `system:masters`).
    pub fn admin_config(&self) -> Result<Config> {
        let url = format!("https://127.0.0.1:{}", self.port);
        let mut config = Config::new(url.parse().context(format!("parsing {url}"))?);
        config.root_cert = Some(vec![self.authority.der()]);
        authenticate(&mut config, &self.admin);
        Ok(config)
    }

    /// A client with the admin's permissions. Create one in each test: it belongs to the runtime in which it was
    /// created.
    pub async fn client(&self) -> Result<Client> {
        client_of(self.admin_config()?).await
    }

    /// A configuration for any user in any groups, with the permissions that RBAC grants them.
    ///
    /// It impersonates the user, because the user of a client certificate here is in at most one group. The audit log
    /// records this user, not the admin.
    pub fn config_for(&self, user: &str, groups: &[&str]) -> Result<Config> {
        let mut config = self.admin_config()?;
        config.auth_info.impersonate = Some(user.to_owned());
        if !groups.is_empty() {
            let groups = groups.iter().map(|group| (*group).to_owned()).collect();
            config.auth_info.impersonate_groups = Some(groups);
        }
        Ok(config)
    }

    /// A configuration with a real token of this `ServiceAccount`, which must exist or be created within ten seconds;
    /// its namespace is the configuration's default namespace, as in a pod.
    pub async fn service_account_config(&self, namespace: &str, name: &str) -> Result<Config> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() }),
            ..TokenRequest::default()
        };
        let what = format!("a token of the ServiceAccount {namespace}/{name}");
        let token = wait_for(&what, Duration::from_secs(10), async || {
            let answer = accounts
                .create_token_request(name, &PostParams::default(), &request)
                .await
                .map_err(|error| error.to_string())?;
            let token = answer.status.and_then(|status| status.token);
            token.ok_or_else(|| String::from("the response has no token"))
        })
        .await?;
        let mut config = self.admin_config()?;
        config.auth_info = kube::config::AuthInfo::default();
        config.auth_info.token = Some(token.into());
        namespace.clone_into(&mut config.default_namespace);
        Ok(config)
    }

    /// The admin's kubeconfig file, for `KUBECONFIG` and kubectl.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.files.path("admin.kubeconfig")
    }

    /// Writes a self-contained kubeconfig file for one of this control plane's configurations.
    pub fn write_kubeconfig(&self, config: &Config, path: &Path) -> Result<()> {
        // JSON is valid YAML, so no YAML serializer is needed.
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{}", self.port),
                "certificate-authority-data": STANDARD.encode(self.authority.pem()),
            }}],
            "users": [{"name": "test", "user": config.auth_info}],
            "contexts": [{"name": "test", "context": {
                "cluster": "test",
                "user": "test",
                "namespace": config.default_namespace,
            }}],
            "current-context": "test",
        });
        std::fs::write(path, format!("{kubeconfig:#}\n")).context(format!("writing {}", path.display()))
    }
}

/// A client for a configuration. It belongs to the runtime in which it was created.
#[expect(
    clippy::unused_async,
    reason = "kube's client panics if it is created outside a runtime, which async rules out"
)]
async fn client_of(config: Config) -> Result<Client> {
    Client::try_from(config).context("making a client")
}

fn authenticate(config: &mut Config, identity: &Identity) {
    config.auth_info.client_certificate_data = Some(STANDARD.encode(&identity.certificate));
    config.auth_info.client_key_data = Some(STANDARD.encode(&identity.key).into());
}
