//! Caches HTTP clients, one for each set of trusted certificates: parsing those costs more than a login.

use crate::http::{self, Client, ClientOptions, EgressPolicy};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The number of cached clients; an issuer has few registries, and a cluster few issuers.
const CAPACITY: usize = 16;
/// A registry behind a path or a load balancer may redirect once or twice.
const REDIRECTS: usize = 3;

/// The parameters of a client. A client with more allowed addresses is never used for one with fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientKey<'a> {
    pub(super) ca_pem: Option<&'a str>,
    pub(super) plain_http: bool,
    pub(super) egress: &'a EgressPolicy,
}

/// A client and its parameters.
struct CachedClient {
    ca_pem: Option<String>,
    plain_http: bool,
    egress: EgressPolicy,
    client: Client,
}

/// The cached clients, the most recently used last.
#[derive(Default)]
pub(super) struct ClientCache(Mutex<VecDeque<CachedClient>>);

impl ClientCache {
    /// The client that trusts these certificates and may connect to these addresses.
    ///
    /// # Errors
    /// A message, if no certificate can be trusted.
    pub(super) fn get(&self, key: &ClientKey<'_>, connect_timeout: Duration) -> Result<Client, String> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cached = clients.iter().position(|client| client.matches(key)).and_then(|at| clients.remove(at));
        let entry = match cached {
            Some(cached) => cached,
            None => CachedClient {
                ca_pem: key.ca_pem.map(str::to_owned),
                plain_http: key.plain_http,
                egress: key.egress.clone(),
                client: build(key, connect_timeout)?,
            },
        };
        let client = entry.client.clone();
        clients.push_back(entry);
        if clients.len() > CAPACITY {
            clients.pop_front();
        }
        Ok(client)
    }
}

impl CachedClient {
    fn matches(&self, key: &ClientKey<'_>) -> bool {
        let cached_key =
            ClientKey { ca_pem: self.ca_pem.as_deref(), plain_http: self.plain_http, egress: &self.egress };
        cached_key == *key
    }
}

fn build(key: &ClientKey<'_>, connect_timeout: Duration) -> Result<Client, String> {
    let tls = http::tls_config(key.ca_pem).map_err(|error| error.message("spec.registries[].tls"))?;
    let (plain_http, egress) = (key.plain_http, key.egress.clone());
    Client::new(ClientOptions { tls, connect_timeout, plain_http, max_redirects: REDIRECTS, egress })
        .map_err(|error| http::classify(error).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::EgressRules;

    const SOON: Duration = Duration::from_secs(1);

    fn of(clients: &ClientCache, pem: &str, egress: &EgressPolicy) -> Result<Client, String> {
        clients.get(&ClientKey { ca_pem: Some(pem), plain_http: false, egress }, SOON)
    }

    fn pem(index: usize) -> String {
        let certificate = rcgen::generate_simple_self_signed([format!("r{index}.example")]).expect("a certificate");
        certificate.cert.pem()
    }

    #[test]
    fn the_most_recently_used_clients_are_cached() {
        let (clients, open) = (ClientCache::default(), EgressPolicy::default());
        let pems: Vec<String> = (0..CAPACITY + 3).map(pem).collect();
        for pem in &pems {
            for used in [pem, &pems[0]] {
                of(&clients, used, &open).expect("a client");
            }
        }
        let cached = clients.0.lock().expect("clients");
        let is_cached = |pem: &String| cached.iter().any(|client| client.ca_pem.as_ref() == Some(pem));
        assert_eq!(cached.len(), CAPACITY);
        assert!(is_cached(&pems[0]) && is_cached(&pems[CAPACITY + 2]) && !is_cached(&pems[1]));
    }

    #[test]
    fn a_client_with_another_egress_policy_is_not_shared() {
        let (clients, pem) = (ClientCache::default(), pem(0));
        for egress in [EgressPolicy::default(), EgressPolicy::restricted(EgressRules::default())] {
            for _ in 0..2 {
                of(&clients, &pem, &egress).expect("a client");
            }
        }
        assert_eq!(clients.0.lock().expect("clients").len(), 2);
    }

    #[test]
    fn an_unusable_ca_is_an_error() {
        let error = of(&ClientCache::default(), "no PEM", &EgressPolicy::default()).expect_err("no certificate");
        assert!(error.contains("spec.registries[].tls"), "{error}");
    }
}
