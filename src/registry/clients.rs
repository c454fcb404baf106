//! HTTP clients, one for each set of certificates to trust: reading those costs more than a login.

use crate::http::{self, Client, ClientOptions, EgressPolicy};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So many are kept; an issuer has few registries, and a cluster few issuers.
const KEPT: usize = 16;
/// A registry behind a path or a balancer may redirect once or twice.
const REDIRECTS: usize = 3;

/// What a client is made for. One that may connect to more is never taken for one that may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Use<'a> {
    pub(super) ca_pem: Option<&'a str>,
    pub(super) plain_http: bool,
    pub(super) egress: &'a EgressPolicy,
}

/// A client, and what it was made for.
struct Kept {
    ca_pem: Option<String>,
    plain_http: bool,
    egress: EgressPolicy,
    client: Client,
}

/// The clients in use, the latest used last.
#[derive(Default)]
pub(super) struct Clients(Mutex<VecDeque<Kept>>);

impl Clients {
    /// The client that trusts these certificates and may connect to these addresses.
    ///
    /// # Errors
    /// With a message when there is nobody to trust.
    pub(super) fn of(&self, wanted: &Use<'_>, connect_timeout: Duration) -> Result<Client, String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().position(|kept| kept.fits(wanted)).and_then(|at| all.remove(at));
        let kept = match known {
            Some(known) => known,
            None => Kept {
                ca_pem: wanted.ca_pem.map(str::to_owned),
                plain_http: wanted.plain_http,
                egress: wanted.egress.clone(),
                client: build(wanted, connect_timeout)?,
            },
        };
        let client = kept.client.clone();
        all.push_back(kept);
        if all.len() > KEPT {
            all.pop_front();
        }
        Ok(client)
    }
}

impl Kept {
    fn fits(&self, wanted: &Use<'_>) -> bool {
        let own = Use { ca_pem: self.ca_pem.as_deref(), plain_http: self.plain_http, egress: &self.egress };
        own == *wanted
    }
}

fn build(wanted: &Use<'_>, connect_timeout: Duration) -> Result<Client, String> {
    let tls = http::tls_config(wanted.ca_pem).map_err(|error| error.message("spec.registries[].tls"))?;
    let (plain_http, egress) = (wanted.plain_http, wanted.egress.clone());
    Client::new(ClientOptions { tls, connect_timeout, plain_http, redirects: REDIRECTS, egress })
        .map_err(|error| http::trouble(error).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::EgressRules;

    const SOON: Duration = Duration::from_secs(1);

    fn of(clients: &Clients, pem: &str, egress: &EgressPolicy) -> Result<Client, String> {
        clients.of(&Use { ca_pem: Some(pem), plain_http: false, egress }, SOON)
    }

    fn pem(index: usize) -> String {
        let made = rcgen::generate_simple_self_signed([format!("r{index}.example")]).expect("a certificate");
        made.cert.pem()
    }

    #[test]
    fn a_few_are_kept_and_the_latest_used_among_them() {
        let (clients, open) = (Clients::default(), EgressPolicy::default());
        let pems: Vec<String> = (0..KEPT + 3).map(pem).collect();
        for pem in &pems {
            for used in [pem, &pems[0]] {
                of(&clients, used, &open).expect("a client");
            }
        }
        let all = clients.0.lock().expect("clients");
        let has = |pem: &String| all.iter().any(|kept| kept.ca_pem.as_ref() == Some(pem));
        assert_eq!(all.len(), KEPT);
        assert!(has(&pems[0]) && has(&pems[KEPT + 2]) && !has(&pems[1]));
    }

    #[test]
    fn a_client_that_may_connect_to_more_is_another_one() {
        let (clients, pem) = (Clients::default(), pem(0));
        for egress in [EgressPolicy::default(), EgressPolicy::restricted(EgressRules::default())] {
            for _ in 0..2 {
                of(&clients, &pem, &egress).expect("a client");
            }
        }
        assert_eq!(clients.0.lock().expect("clients").len(), 2);
    }

    #[test]
    fn who_cannot_be_trusted_is_said() {
        let error = of(&Clients::default(), "no PEM", &EgressPolicy::default()).expect_err("nobody");
        assert!(error.contains("spec.registries[].tls"), "{error}");
    }
}
