//! GitLab, with the deploy tokens of one project.

use super::server::{Server, settings, text};
use super::under_test::{Access, LiveToken, PortalUnderTest, Traits};
use crate::fault_proxy::Reply;
use futures::future::BoxFuture;
use registry_token_operator::api::{Limits, Reason};
use registry_token_operator::portal::gitlab::GitLabPortal;
use registry_token_operator::portal::{Credentials, Portal};
use reqwest::Method;
use serde_json::{Value, json};

pub struct GitLab {
    pub server: Server,
}

/// GitLab's maximum.
const PAGE_SIZE: usize = 100;

impl GitLab {
    fn tokens_path(&self) -> String {
        format!("api/v4/projects/{}/deploy_tokens", self.server.project.replace('/', "%2F"))
    }
}

impl PortalUnderTest for GitLab {
    fn traits(&self) -> Traits {
        let message = json!({"message": {"base": ["Maximum number of deploy tokens exceeded"]}});
        let token = json!({"id": 1, "name": "x", "username": "u"});
        let more_than_a_page = Value::from(vec![token; PAGE_SIZE + 1]).to_string();
        let broken = ["null", r#"[{"id": 1, "name": "x"}]"#, r#"[{"id": 0, "name": "x", "username": "u"}]"#];
        Traits {
            list: "/deploy_tokens",
            secret_field: "token",
            page_size: PAGE_SIZE,
            rows_shift: false,
            refuses_duplicates: false,
            explains_refusals: true,
            missing_token: Reason::TokenNotFound,
            broken_lists: broken.map(str::to_owned).into_iter().chain([more_than_a_page]).collect(),
            token_limit: Reply::new(400, message.to_string()),
        }
    }

    fn access(&self) -> Access {
        self.server.access()
    }

    fn connect(&self, url: &str, credentials: Credentials, limits: Limits) -> Box<dyn Portal> {
        let auth = json!({"type": "Token", "token": {"secretRef": {"name": "portal-login"}}});
        let gitlab = json!({"url": url, "project": self.server.project, "allowInsecureHTTP": true, "auth": auth});
        let spec = json!({"type": "GitLab", "gitlab": gitlab, "registries": [{"host": "registry.example.com"}]});
        let spec = serde_json::from_value(spec).expect("a spec");
        Box::new(GitLabPortal::new(settings(&spec, credentials, limits)).expect("a client"))
    }

    fn add<'a>(&'a self, description: &'a str) -> BoxFuture<'a, ()> {
        let body = json!({"name": description, "scopes": ["read_registry"]});
        Box::pin(async move {
            self.server.call((Method::POST, &self.tokens_path()), Some(body), &[201]).await;
        })
    }

    fn tokens(&self) -> BoxFuture<'_, Vec<LiveToken>> {
        Box::pin(async {
            let tokens =
                self.server.pages(|page| format!("{}?page={page}&per_page={PAGE_SIZE}", self.tokens_path())).await;
            let live = tokens.iter().filter(|token| token["revoked"] != true);
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
