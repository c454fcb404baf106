//! Gitea with an image, and a namespace whose issuer names it.

use crate::control_plane::{ControlPlane, eventually};
use crate::fake_portal::{Config, FakePortal};
use crate::fixture::{LIMIT, Team};
use crate::gitea::{Gitea, GiteaToken};
use crate::gitea_with_image::{self, IMAGE, LAYER, OPERATOR, PULLER};
use crate::pull;
use serde_json::json;

/// The tokens that only their user may delete, besides the login of the operator: more than one page of them.
const COLLEAGUE: &str = "of a colleague";
const COLLEAGUES: usize = 60;

pub struct Stage {
    pub gitea: Gitea,
    pub team: Team,
}

impl Stage {
    pub async fn new(control_plane: &'static ControlPlane, name: &str) -> Self {
        let (gitea, password) = gitea_with_image::start().await;
        for number in 0..COLLEAGUES {
            gitea.request_token(PULLER, &format!("laptop {number} {COLLEAGUE}")).await;
        }

        // The team's fake portal is not used.
        let team = Team::bare(control_plane, name, Config::default()).await;
        team.apply(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "gitea-login", "labels": {"registry-token.dev/credentials": "true"}},
            "stringData": {"username": PULLER.name, "password": password},
        }))
        .await;
        team.apply(json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer", "metadata": {"name": "portal"},
            "spec": {
                "type": "Gitea",
                "gitea": {
                    "url": gitea.url(),
                    "user": PULLER.name,
                    "auth": {"type": "Basic", "basic": {"secretRef": {"name": "gitea-login"}}},
                    "tls": {"caBundle": gitea.ca_pem()},
                },
                "registries": [{"host": gitea.host(), "tls": {"caBundle": gitea.ca_pem()}}],
                "limits": {
                    "requestsPerSecond": 100, "concurrency": 4,
                    "connectTimeout": "2s", "firstByteTimeout": "3s", "requestTimeout": "3s",
                },
            },
        }))
        .await;
        Self { gitea, team }
    }

    /// The operator's tokens in Gitea's own list. The tokens of others are still there.
    pub async fn live(&self) -> Vec<GiteaToken> {
        let all = self.gitea.tokens(PULLER).await;
        let is_of_other = |token: &GiteaToken| token.name == OPERATOR || token.name.ends_with(COLLEAGUE);
        let (others, own): (Vec<_>, Vec<_>) = all.into_iter().partition(is_of_other);
        assert_eq!(others.len(), COLLEAGUES + 1, "{others:?}");
        own
    }

    /// Waits until Gitea has exactly these tokens of the operator.
    pub async fn until_live(&self, wanted: &[i64]) {
        eventually(&format!("the live tokens to be {wanted:?}"), LIMIT, async || {
            let live = self.live().await;
            if live.iter().map(|token| token.id).eq(wanted.iter().copied()) { Ok(()) } else { Err(format!("{live:?}")) }
        })
        .await;
    }

    /// Pulls the image with only this content of a pull secret.
    pub async fn pull(&self, content: &[u8]) -> Result<usize, String> {
        pull::pull_image(content, &self.gitea.host(), IMAGE, self.gitea.ca_pem()).await
    }

    pub async fn assert_pulls(&self, content: &[u8]) {
        assert_eq!(self.pull(content).await, Ok(LAYER.len()));
    }

    /// The registry refuses the login of this content.
    pub async fn assert_refused(&self, content: &[u8]) {
        let error = self.pull(content).await.expect_err("it is refused");
        assert!(error.to_lowercase().contains("auth"), "{error}");
        let (username, password) = pull::login(content, &self.gitea.host()).expect("a login");
        assert!(!self.gitea.accepts(&username, &password).await);
    }
}
