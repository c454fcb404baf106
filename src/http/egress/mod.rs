//! Controls which addresses a client may connect to.
//!
//! A user who may create an issuer chooses an address that the operator connects to from inside the cluster (SSRF). A
//! restricted client connects only to public addresses and to those that an admin allows. The address is decisive,
//! not the name: names are resolved before they are checked, and the connection uses exactly the checked addresses.

mod addresses;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::{Host, Url};

/// The addresses that a client may connect to: all (the default), or public and allowed ones. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy(Option<Arc<EgressRules>>);

/// The admin's exceptions to the rule that only public addresses are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressRules {
    /// Ranges that are allowed although they are not public.
    pub allowed: Vec<IpNet>,
    /// Ranges that are denied although they are public or allowed.
    pub denied: Vec<IpNet>,
    /// Host names that may resolve to any address.
    pub hosts: Vec<HostPattern>,
}

/// A host name, or `*.` and a domain for all names below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    name: String,
    is_wildcard: bool,
}

/// The address of a request is not allowed. The message says who can allow it, and contains no address that was not
/// in the request: tenants must not learn what an internal name resolves to.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{host} {is} ({what}), and the operator does not connect to such addresses for this issuer: use a public address, or ask an admin of the operator to allow it with {flag}"
)]
pub(crate) struct AddressDenied {
    host: String,
    is: &'static str,
    what: &'static str,
    flag: String,
}

impl EgressPolicy {
    /// Allows all addresses.
    pub const OPEN: &'static Self = &Self(None);

    /// Allows public addresses, and those that these rules allow.
    #[must_use]
    pub fn restricted(rules: EgressRules) -> Self {
        let canonical = |ranges: Vec<IpNet>| ranges.into_iter().map(addresses::canonical_range).collect();
        let EgressRules { allowed, denied, hosts } = rules;
        Self(Some(Arc::new(EgressRules { allowed: canonical(allowed), denied: canonical(denied), hosts })))
    }

    /// Checks a request whose host is an IP address, which is not resolved.
    pub(super) fn check_literal(&self, url: &Url) -> Result<(), AddressDenied> {
        let address = match url.host() {
            Some(Host::Ipv4(four)) => IpAddr::V4(four),
            Some(Host::Ipv6(six)) => IpAddr::V6(six),
            _ => return Ok(()),
        };
        let Some(what) = self.0.as_ref().and_then(|rules| rules.denied_reason(address)) else { return Ok(()) };
        let flag = format!("--allow-portal-cidr={}", IpNet::from(address));
        Err(AddressDenied { host: address.to_string(), is: "is not a public address", what, flag })
    }

    /// Checks a request that is sent to a proxy, which resolves the name itself: the name is checked if it can be
    /// resolved here within this time.
    pub(super) async fn check_proxied(&self, url: &Url, within: Duration) -> Result<(), AddressDenied> {
        let (Some(rules), Some(Host::Domain(name))) = (&self.0, url.host()) else { return Ok(()) };
        if rules.allows_name(name) {
            return Ok(());
        }
        let Ok(Ok(found)) = timeout(within, lookup_host((name, 0))).await else { return Ok(()) };
        // It is unknown which one the proxy uses, so all of them are checked.
        let forbidden = found.map(|address| address.ip()).find_map(|address| rules.denied_reason(address));
        forbidden.map_or(Ok(()), |what| Err(AddressDenied::of_name(name, what)))
    }

    /// The resolver of a restricted client.
    pub(super) fn resolver(&self) -> Option<Arc<impl Resolve + use<>>> {
        self.0.as_ref().map(|rules| Arc::new(RestrictedResolver(Arc::clone(rules))))
    }
}

impl AddressDenied {
    fn of_name(name: &str, what: &'static str) -> Self {
        let flag = format!("--allow-portal-host={name} or --allow-portal-cidr");
        Self { host: name.to_owned(), is: "resolves to an address that is not public", what, flag }
    }
}

impl EgressRules {
    /// Why an address is denied, if it is.
    fn denied_reason(&self, address: IpAddr) -> Option<&'static str> {
        let address = addresses::canonical(address);
        let within = |ranges: &[IpNet]| ranges.iter().any(|range| range.contains(&address));
        if within(&self.denied) {
            return Some("denied by the operator's admin");
        }
        addresses::special_purpose(address).filter(|_| !within(&self.allowed))
    }

    fn allows_name(&self, name: &str) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(name))
    }
}

impl HostPattern {
    fn matches(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        match name.strip_suffix(&self.name) {
            Some("") => !self.is_wildcard,
            Some(before) => self.is_wildcard && before.ends_with('.'),
            None => false,
        }
    }
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (is_wildcard, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        match Host::parse(name) {
            Ok(Host::Domain(name)) if !name.contains('*') && !name.is_empty() => {
                Ok(Self { name: name.strip_suffix('.').unwrap_or(&name).to_owned(), is_wildcard })
            }
            Ok(Host::Ipv4(_) | Host::Ipv6(_)) => Err("use --allow-portal-cidr to allow an IP address".to_owned()),
            _ => Err("must be a host name without a port, such as portal.example.com or *.example.com".to_owned()),
        }
    }
}

/// Parses a range such as `10.20.0.0/16`, or one address.
///
/// # Errors
/// The expected format.
pub fn parse_range(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    let range = text.parse::<IpNet>().or_else(|_| single());
    range.map_err(|_| "must be a range such as 10.20.0.0/16 or fd00::/8, or one address".to_owned())
}

/// Uses the system's resolver, and returns only allowed addresses.
struct RestrictedResolver(Arc<EgressRules>);

impl Resolve for RestrictedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            if rules.allows_name(name.as_str()) {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            let forbidden = found.iter().find_map(|address| rules.denied_reason(address.ip()));
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| rules.denied_reason(address.ip()).is_none()).collect();
            match forbidden.filter(|_| allowed.is_empty()) {
                Some(what) => Err(AddressDenied::of_name(name.as_str(), what).into()),
                None => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allowed: &[&str], denied: &[&str], hosts: &[&str]) -> EgressPolicy {
        let ranges = |texts: &[&str]| texts.iter().map(|text| parse_range(text).expect(text)).collect();
        let hosts = hosts.iter().map(|text| text.parse().expect(text)).collect();
        EgressPolicy::restricted(EgressRules { allowed: ranges(allowed), denied: ranges(denied), hosts })
    }

    fn check(policy: &EgressPolicy, url: &str) -> Result<(), AddressDenied> {
        policy.check_literal(&Url::parse(url).expect(url))
    }

    #[test]
    fn an_address_is_checked_in_every_notation() {
        let restricted = policy(&[], &[], &[]);
        for url in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://127.0.0.1./",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://%31%32%37.0.0.1/",
            "https://１２７.0.0.1/",
            "https://0/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[0:0:0:0:0:ffff:a9fe:a9fe]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[2002:7f00:1::]/",
            "https://169.254.169.254/latest",
            "https://10.96.0.1:443/",
        ] {
            let denied = check(&restricted, url).expect_err(url).to_string();
            assert!(denied.contains("--allow-portal-cidr="), "{denied}");
            assert_eq!(check(&EgressPolicy::default(), url), Ok(()), "{url}");
        }
        for url in ["https://93.184.215.14/", "https://[2606:4700::1111]/", "https://portal.example.com/"] {
            assert_eq!(check(&restricted, url), Ok(()), "{url}");
        }
    }

    #[test]
    fn a_range_can_be_allowed_and_denied_takes_precedence() {
        let rules = policy(&["127.0.0.0/8", "::1", "10.0.0.0/8"], &["10.96.0.0/12", "34.118.224.0/20"], &[]);
        for url in ["https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://10.1.2.3/"] {
            assert_eq!(check(&rules, url), Ok(()), "{url}");
        }
        for url in ["https://10.96.0.1/", "https://34.118.224.1/", "https://192.168.0.1/", "https://[::2]/"] {
            assert!(check(&rules, url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_range_of_ipv4_may_be_written_as_ipv6() {
        let rules = policy(&["::ffff:10.0.0.0/104", "64:ff9b::192.168.0.0/112"], &["::ffff:10.96.0.1"], &[]);
        for url in ["https://10.1.2.3/", "https://[::ffff:10.1.2.3]/", "https://192.168.1.1/"] {
            assert_eq!(check(&rules, url), Ok(()), "{url}");
        }
        for url in ["https://10.96.0.1/", "https://127.0.0.1/", "https://172.16.0.1/"] {
            assert!(check(&rules, url).is_err(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_is_checked_by_the_addresses_it_resolves_to() {
        let resolve = async |policy: &EgressPolicy| {
            let resolver = policy.resolver().expect("a resolver");
            resolver.resolve("localhost".parse().expect("a name")).await.map(Iterator::count)
        };
        let denied = resolve(&policy(&[], &[], &[])).await.expect_err("denied").to_string();
        assert!(denied.contains("localhost") && denied.contains("--allow-portal-host=localhost"), "{denied}");
        assert!(!denied.contains("127.0.0.1"), "{denied}");
        for open in [policy(&["127.0.0.0/8", "::1"], &[], &[]), policy(&[], &["127.0.0.0/8"], &["LocalHost"])] {
            assert!(resolve(&open).await.expect("addresses") > 0);
        }
        let url = Url::parse("https://localhost/").expect("a URL");
        let proxied = async |policy: EgressPolicy| policy.check_proxied(&url, Duration::from_secs(5)).await;
        assert!(proxied(policy(&[], &[], &[])).await.is_err());
        assert_eq!(proxied(policy(&[], &[], &["localhost"])).await, Ok(()));
        assert_eq!(proxied(EgressPolicy::default()).await, Ok(()));
    }

    #[test]
    fn a_pattern_matches_its_name_or_the_names_below_it() {
        for (pattern, matching, other) in [
            (
                "Portal.Example.com",
                &["portal.example.com", "PORTAL.example.com."][..],
                &["a.portal.example.com", "example.com"][..],
            ),
            (
                "*.example.com",
                &["a.example.com", "a.b.example.com"],
                &["example.com", "aexample.com", "example.com.evil"],
            ),
            ("bücher.example", &["xn--bcher-kva.example"], &["bucher.example"]),
        ] {
            let pattern: HostPattern = pattern.parse().expect(pattern);
            assert!(matching.iter().all(|name| pattern.matches(name)), "{pattern:?}");
            assert!(!other.iter().any(|name| pattern.matches(name)), "{pattern:?}");
        }
        for invalid in ["", "*", "*.", "127.0.0.1", "[::1]", "a:443", "https://a", "a/b", "a*.b", "*.*.b"] {
            assert!(invalid.parse::<HostPattern>().is_err(), "{invalid}");
        }
        for invalid in ["", "10.0.0.0/33", "10/8", "example.com", "10.0.0.1-10.0.0.9"] {
            assert!(parse_range(invalid).is_err(), "{invalid}");
        }
    }
}
