//! The issuer policy flags.

use crate::api::{Limits, ParseDurationError, ShortDuration};
use crate::controller::IssuerPolicy;
use crate::portal::{EgressPolicy, EgressRules, HostPattern, parse_range};
use clap::Args;
use ipnet::IpNet;
use std::net::IpAddr;

/// The issuer policy flags.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Issuer policy")]
pub struct IssuerPolicyArgs {
    /// Do not serve `TokenIssuer`s: only admins of the cluster choose portals
    #[arg(long)]
    pub disable_namespaced_issuers: bool,

    /// Allow a `TokenIssuer` to set allowInsecureHTTP
    #[arg(long)]
    pub allow_insecure_http_for_namespaced_issuers: bool,

    /// Restrict the addresses of `ClusterTokenIssuer`s too
    #[arg(long)]
    pub restrict_cluster_issuers: bool,

    /// Non-public address range that restricted issuers may connect to, such as 10.20.0.0/16; can be repeated
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = parse_range)]
    pub allow_portal_cidr: Vec<IpNet>,

    /// Host, or *.domain, that restricted issuers may connect to regardless of its address; can be repeated
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    pub allow_portal_host: Vec<HostPattern>,

    /// Address range that restricted issuers may not connect to, even if it is public or allowed, such as Services with
    /// public addresses; can be repeated
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = parse_range)]
    pub deny_portal_cidr: Vec<IpNet>,

    /// Upper limit of limits.requestsPerSecond of a `TokenIssuer`; higher values are lowered to it
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..))]
    pub token_issuer_max_requests_per_second: Option<i32>,

    /// Upper limit of limits.concurrency of a `TokenIssuer`
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..))]
    pub token_issuer_max_concurrency: Option<i32>,

    /// Upper limit of limits.requestTimeout and the other timeouts of a `TokenIssuer`
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    pub token_issuer_max_request_timeout: Option<ShortDuration>,
}

/// Parses a timeout within the bounds of an issuer's spec.
fn parse_timeout(text: &str) -> Result<ShortDuration, String> {
    let timeout: ShortDuration = text.parse().map_err(|error: ParseDurationError| error.to_string())?;
    let fits = (ShortDuration::from_secs(1)..=Limits::MAX.request_timeout).contains(&timeout);
    if fits { Ok(timeout) } else { Err(format!("{text} is not between 1s and {}", Limits::MAX.request_timeout)) }
}

impl IssuerPolicyArgs {
    /// The policy for the controllers. No restricted issuer may connect to the API server.
    #[must_use]
    pub fn policy(self, api_server: Option<IpAddr>) -> IssuerPolicy {
        let mut denied = self.deny_portal_cidr;
        denied.extend(api_server.map(IpNet::from));
        let restricted = EgressPolicy::restricted(EgressRules {
            allowed: self.allow_portal_cidr,
            denied,
            hosts: self.allow_portal_host,
        });
        let timeout = self.token_issuer_max_request_timeout.unwrap_or(Limits::MAX.request_timeout);
        let ceiling = Limits {
            requests_per_second: self.token_issuer_max_requests_per_second.unwrap_or(Limits::MAX.requests_per_second),
            concurrency: self.token_issuer_max_concurrency.unwrap_or(Limits::MAX.concurrency),
            connect_timeout: timeout,
            first_byte_timeout: timeout,
            request_timeout: timeout,
        };
        IssuerPolicy {
            namespaced_ceiling: Some(ceiling),
            namespaced_disabled: self.disable_namespaced_issuers,
            namespaced_insecure_http: self.allow_insecure_http_for_namespaced_issuers,
            cluster_egress: if self.restrict_cluster_issuers { restricted.clone() } else { EgressPolicy::default() },
            namespaced_egress: restricted,
        }
    }
}
