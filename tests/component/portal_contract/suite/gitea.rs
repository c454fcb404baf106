//! Gitea, with the tokens of one user.

use super::server::{Server, settings, text};
use super::under_test::{Access, LiveToken, PortalUnderTest, Traits};
use crate::fault_proxy::Reply;
use futures::future::BoxFuture;
use registry_token_operator::api::{Limits, Reason};
use registry_token_operator::portal::gitea::GiteaPortal;
use registry_token_operator::portal::{Credentials, Portal};
use reqwest::Method;
use serde_json::json;

pub struct Gitea {
    pub server: Server,
    pub page_size: usize,
}

impl Gitea {
    fn tokens_path(&self) -> String {
        format!("api/v1/users/{}/tokens", self.server.user)
    }
}

impl PortalUnderTest for Gitea {
    fn traits(&self) -> Traits {
        let message = json!({"message": "the maximum number of access tokens is reached"});
        Traits {
            list: "/tokens",
            secret_field: "sha1",
            page_size: self.page_size,
            rows_shift: false,
            refuses_duplicates: true,
            explains_refusals: true,
            missing_token: Reason::TokenNotFound,
            broken_lists: ["null", r#"[{"id": 1}]"#, r#"[{"id": 0, "name": "x"}]"#].map(str::to_owned).to_vec(),
            token_limit: Reply::new(422, message.to_string()),
        }
    }

    fn access(&self) -> Access {
        self.server.access()
    }

    fn connect(&self, url: &str, credentials: Credentials, limits: Limits) -> Box<dyn Portal> {
        let auth = json!({"type": "Basic", "basic": {"secretRef": {"name": "portal-login"}}});
        let gitea = json!({"url": url, "user": self.server.user, "allowInsecureHTTP": true, "auth": auth});
        let spec = json!({"type": "Gitea", "gitea": gitea, "registries": [{"host": "git.example.com"}]});
        let spec = serde_json::from_value(spec).expect("a spec");
        Box::new(GiteaPortal::new(settings(&spec, credentials, limits)).expect("a client"))
    }

    fn add<'a>(&'a self, description: &'a str) -> BoxFuture<'a, ()> {
        let body = json!({"name": description, "scopes": ["read:package"]});
        Box::pin(async move {
            self.server.call((Method::POST, &self.tokens_path()), Some(body), &[201]).await;
        })
    }

    fn tokens(&self) -> BoxFuture<'_, Vec<LiveToken>> {
        Box::pin(async {
            let tokens = self.server.pages(|page| format!("{}?limit=50&page={page}", self.tokens_path())).await;
            let live = tokens.iter();
            live.map(|token| LiveToken { id: text(token, "id"), description: text(token, "name") }).collect()
        })
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let path = format!("{}/{id}", self.tokens_path());
            self.server.call((Method::DELETE, &path), None, &[204]).await;
        })
    }
}
