//! An issuer whose portal does not answer any more.

use super::{Fleet, PortalOptions, WRITERS, manifests};
use crate::LATENCY;
use crate::fake_portal::{Config, FakePortal, Fault, Operation};
use futures::{StreamExt, stream};
use kube::api::PostParams;
use std::time::Duration;

/// Its portal.
pub struct HangingPortal(FakePortal);

impl HangingPortal {
    /// How many token requests it has got, and not answered.
    pub fn requests_without_a_response(&self) -> usize {
        self.0.ledger().count(Operation::Request)
    }
}

impl Fleet {
    /// Creates an issuer, lets its portal hang, and creates this many objects. Returns once requests hang.
    pub async fn create_hanging_issuer(&self, objects: usize) -> HangingPortal {
        let mut config = Config { latency: LATENCY, ..Config::default() };
        config.names.request.id = Some("container_token_id".to_owned());
        let portal = FakePortal::start(config).await;
        let like = PortalOptions::FOUR_AT_A_TIME;
        let manifests = manifests("hanging", &portal, &self.namespace, &like);
        self.control_plane.apply(&manifests).await.expect("applied");
        tokio::time::sleep(Duration::from_secs(3)).await;
        portal.faults().always(Operation::Request, Fault::HangBefore);
        let create = async |index: usize| {
            let object = self.object(&format!("stuck-{index}"), "hanging");
            self.tokens().create(&PostParams::default(), &object).await.expect("created");
        };
        stream::iter(0..objects).for_each_concurrent(WRITERS, create).await;
        let hanging = HangingPortal(portal);
        while hanging.requests_without_a_response() == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // The operator has seen all objects by then.
        tokio::time::sleep(Duration::from_secs(5)).await;
        hanging
    }
}
