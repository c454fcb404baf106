//! Deletes all objects.

use super::{Fleet, LIMIT};
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use kube::core::PartialObjectMeta;
use registry_token_operator::api::RegistryToken;
use std::time::{Duration, Instant};

impl Fleet {
    /// From the first deletion until no object and no token is left.
    pub async fn delete_all(&self) -> Duration {
        let begun = Instant::now();
        self.tokens().delete_collection(&DeleteParams::default(), &ListParams::default()).await.expect("deleted");
        let tokens: Api<PartialObjectMeta<RegistryToken>> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut reported_at = Instant::now();
        loop {
            let live = self.portal.ledger().live().len();
            let left =
                if live == 0 { tokens.list(&ListParams::default()).await.expect("listed").items.len() } else { 1 };
            if left == 0 {
                return begun.elapsed();
            }
            assert!(
                begun.elapsed() < LIMIT,
                "waited for the revocation of {live} tokens and the end of {left} objects"
            );
            if reported_at.elapsed() > Duration::from_secs(2) {
                reported_at = Instant::now();
                eprintln!("bench: {live} tokens are left after {:.0} s", begun.elapsed().as_secs_f32());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
