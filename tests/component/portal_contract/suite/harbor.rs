//! Harbor, with the robot accounts of one project.

use super::server::{Server, settings, text};
use super::under_test::{Access, LiveToken, PortalUnderTest, Traits};
use crate::fault_proxy::Reply;
use futures::future::BoxFuture;
use registry_token_operator::api::{Limits, Reason};
use registry_token_operator::portal::harbor::HarborPortal;
use registry_token_operator::portal::{Credentials, Portal};
use reqwest::Method;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

pub struct Harbor {
    pub server: Server,
    pub page_size: usize,
    /// How many robot accounts were added here.
    pub added: AtomicUsize,
}

impl PortalUnderTest for Harbor {
    fn traits(&self) -> Traits {
        let message = json!({"errors": [{"code": "DENIED", "message": "the quota of robot accounts is exceeded"}]});
        Traits {
            list: "/robots",
            secret_field: "secret",
            page_size: self.page_size,
            rows_shift: false,
            refuses_duplicates: true,
            explains_refusals: true,
            missing_token: Reason::TokenNotFound,
            broken_lists: [r#"[{"id": 1}]"#, r#"[{"id": 0, "name": "x"}]"#].map(str::to_owned).to_vec(),
            token_limit: Reply::new(403, message.to_string()),
        }
    }

    fn access(&self) -> Access {
        self.server.access()
    }

    fn connect(&self, url: &str, credentials: Credentials, limits: Limits) -> Box<dyn Portal> {
        let auth = json!({"type": "Basic", "basic": {"secretRef": {"name": "portal-login"}}});
        let harbor = json!({"url": url, "project": self.server.project, "allowInsecureHTTP": true, "auth": auth});
        let spec = json!({"type": "Harbor", "harbor": harbor, "registries": [{"host": "harbor.example.com"}]});
        let spec = serde_json::from_value(spec).expect("a spec");
        Box::new(HarborPortal::new(settings(&spec, credentials, limits)).expect("a client"))
    }

    fn add<'a>(&'a self, description: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // The names sort in another order than the ids.
            let name = format!("contract-{}", 10_000 - self.added.fetch_add(1, Ordering::Relaxed));
            let access = json!([{"resource": "repository", "action": "pull"}]);
            let body = json!({
                "name": name, "description": description, "level": "project", "duration": -1, "disable": false,
                "permissions": [{"kind": "project", "namespace": self.server.project, "access": access}],
            });
            self.server.call((Method::POST, "api/v2.0/robots"), Some(body), &[201]).await;
        })
    }

    fn tokens(&self) -> BoxFuture<'_, Vec<LiveToken>> {
        Box::pin(async {
            let path = format!("api/v2.0/projects/{}", self.server.project);
            let project = self.server.call((Method::GET, &path), None, &[200]).await;
            let project = text(&project, "project_id");
            let (mut tokens, mut next): (Vec<LiveToken>, i64) = (vec![], 1);
            loop {
                let query =
                    format!("q=Level%3Dproject,ProjectID%3D{project},id%3D[{next}~]&sort=id&page=1&page_size=100");
                let path = format!("api/v2.0/robots?{query}");
                let page = self.server.call((Method::GET, &path), None, &[200]).await;
                let page = page.as_array().cloned().unwrap_or_default();
                let Some(last) = page.last() else { break };
                next = last["id"].as_i64().expect("an id") + 1;
                tokens.extend(
                    page.iter()
                        .map(|robot| LiveToken { id: text(robot, "id"), description: text(robot, "description") }),
                );
            }
            tokens
        })
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let path = format!("api/v2.0/robots/{id}");
            self.server.call((Method::DELETE, &path), None, &[200]).await;
        })
    }
}
