//! HTTP clients, one for each set of certificates to trust: reading those costs more than a login.

use crate::http::{self, Client};
use reqwest::redirect::Policy;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So many are kept; an issuer has few registries, and a cluster few issuers.
const KEPT: usize = 16;
/// A registry behind a path or a balancer may redirect once or twice.
const REDIRECTS: usize = 3;

/// What a client is made for.
type Trust = (bool, Option<String>);

/// The clients in use, the latest used last.
#[derive(Default)]
pub(super) struct Clients(Mutex<VecDeque<(Trust, Client)>>);

impl Clients {
    /// The client that trusts these certificates.
    ///
    /// # Errors
    /// With a message when there is nobody to trust.
    pub(super) fn of(&self, ca_pem: Option<&str>, plain_http: bool, connect: Duration) -> Result<Client, String> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(clear, pem): &Trust| *clear == plain_http && pem.as_deref() == ca_pem;
        let known = kept.iter().position(|(trust, _)| same(trust)).and_then(|at| kept.remove(at));
        let (trust, client) = match known {
            Some(known) => known,
            None => ((plain_http, ca_pem.map(str::to_owned)), build(ca_pem, plain_http, connect)?),
        };
        kept.push_back((trust, client.clone()));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        Ok(client)
    }
}

fn build(ca_pem: Option<&str>, plain_http: bool, connect: Duration) -> Result<Client, String> {
    let tls = http::tls_config(ca_pem).map_err(|error| error.message("spec.registries[].tls"))?;
    let redirects = Policy::custom(|attempt| {
        let from = attempt.previous().last().map(url::Url::origin);
        let stays = from == Some(attempt.url().origin()) && attempt.previous().len() <= REDIRECTS;
        // What is not followed is an answer like any other.
        if stays { attempt.follow() } else { attempt.stop() }
    });
    Client::new(tls, connect, plain_http, redirects).map_err(|error| http::trouble(error).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_kept_and_the_latest_used_among_them() {
        let clients = Clients::default();
        let pem = |index: usize| {
            let made = rcgen::generate_simple_self_signed([format!("r{index}.example")]).expect("a certificate");
            made.cert.pem()
        };
        let pems: Vec<String> = (0..KEPT + 3).map(pem).collect();
        for pem in &pems {
            for used in [pem, &pems[0]] {
                clients.of(Some(used), false, Duration::from_secs(1)).expect("a client");
            }
        }
        let kept = clients.0.lock().expect("clients");
        let has = |pem: &String| kept.iter().any(|((_, kept), _)| kept.as_ref() == Some(pem));
        assert_eq!(kept.len(), KEPT);
        assert!(has(&pems[0]) && has(&pems[KEPT + 2]) && !has(&pems[1]));
    }

    #[test]
    fn who_cannot_be_trusted_is_said() {
        let error = Clients::default().of(Some("no PEM"), false, Duration::from_secs(1)).expect_err("nobody");
        assert!(error.contains("spec.registries[].tls"), "{error}");
    }
}
