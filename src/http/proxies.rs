//! The proxy settings of the environment, interpreted as in Go, and thus as in most of a cluster: `HTTPS_PROXY`,
//! `HTTP_PROXY`, `NO_PROXY`; and `ALL_PROXY`, as in curl.

use ipnet::IpNet;
use std::net::IpAddr;
use url::{Host, Url};

/// The proxies in use. `Debug` shows no password.
pub(super) struct Proxies {
    /// An error if an invalid `ALL_PROXY` would be needed for plain HTTP only.
    http: ProxySetting,
    https: Option<Url>,
    no_proxy: NoProxy,
}

type ProxySetting = Result<Option<Url>, String>;

/// The destinations that are reached without a proxy.
#[derive(Debug, Default)]
struct NoProxy {
    everything: bool,
    ranges: Vec<IpNet>,
    hosts: Vec<NoProxyEntry>,
}

/// A host, optionally with a port.
#[derive(Debug)]
struct NoProxyEntry {
    host: NoProxyHost,
    port: Option<u16>,
}

#[derive(Debug)]
enum NoProxyHost {
    Address(IpAddr),
    /// A name and all names below it, or only the names below it.
    Name {
        name: String,
        below_only: bool,
    },
}

impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxies").field("except", &self.no_proxy).finish_non_exhaustive()
    }
}

impl Proxies {
    /// Reads the environment.
    ///
    /// # Errors
    /// If a proxy is invalid; the message names the variable, but not its value, which may contain a password.
    pub(super) fn from_environment() -> Result<Self, String> {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let set = |name: &'static str| {
            let both = [name.to_owned(), name.to_lowercase()].into_iter().filter_map(|name| variable(&name));
            both.map(|text| text.trim().to_owned()).find(|text| !text.is_empty())
        };
        let proxy = |name: &'static str| set(name).map(|text| proxy_url(name, &text)).transpose();
        // In a CGI script, HTTP_PROXY is the header `Proxy` of the client's request.
        let http = if variable("REQUEST_METHOD").is_some() { None } else { proxy("HTTP_PROXY")? };
        let no_proxy = set("NO_PROXY").map(|text| NoProxy::parse(&text)).unwrap_or_default();
        // It is used, and can fail, only for a scheme without a variable of its own.
        let all = || proxy("ALL_PROXY");
        let https = proxy("HTTPS_PROXY")?.map_or_else(all, |own| Ok(Some(own)))?;
        Ok(Self { http: http.map_or_else(all, |own| Ok(Some(own))), https, no_proxy })
    }

    /// Whether any proxy is configured.
    pub(super) fn is_configured(&self) -> bool {
        !matches!(self.http, Ok(None)) || self.https.is_some()
    }

    /// The proxy for this URL.
    ///
    /// # Errors
    /// If it is invalid, as in [`Proxies::from_environment`].
    pub(super) fn for_url(&self, url: &Url) -> Result<Option<&Url>, String> {
        if self.no_proxy.matches(url) {
            return Ok(None);
        }
        let http = || self.http.as_ref().map(Option::as_ref).map_err(String::clone);
        if url.scheme() == "http" { http() } else { Ok(self.https.as_ref()) }
    }
}

fn proxy_url(name: &str, text: &str) -> Result<Url, String> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| {
        format!("{name} is not the URL of an HTTP proxy: set it to a URL such as http://proxy.example.com:3128")
    })
}

impl NoProxy {
    fn parse(text: &str) -> Self {
        let mut no_proxy = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            if entry == "*" {
                no_proxy.everything = true;
            } else if let Ok(range) = entry.parse() {
                no_proxy.ranges.push(range);
            } else {
                no_proxy.hosts.extend(NoProxyEntry::parse(entry));
            }
        }
        no_proxy
    }

    fn matches(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        let address = match host {
            Host::Ipv4(four) => Some(IpAddr::V4(four)),
            Host::Ipv6(six) => Some(IpAddr::V6(six).to_canonical()),
            Host::Domain(_) => None,
        };
        let name = host.to_string();
        let in_range = address.is_some_and(|address| self.ranges.iter().any(|range| range.contains(&address)));
        let port = url.port_or_known_default();
        self.everything || in_range || self.hosts.iter().any(|one| one.matches(&name, address, port))
    }
}

impl NoProxyEntry {
    /// `name`, `.name`, `*.name`, `address`, `[address]`, each with or without `:port`. Any other entry is ignored.
    fn parse(entry: &str) -> Option<Self> {
        if let Ok(address) = entry.parse::<IpAddr>() {
            return Some(Self { host: NoProxyHost::Address(address.to_canonical()), port: None });
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !entry.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (entry, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self { host: NoProxyHost::Address(address.to_canonical()), port });
        }
        let dotted = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let (below_only, name) = dotted.strip_prefix('.').map_or((false, dotted), |name| (true, name));
        let Ok(Host::Domain(name)) = Host::parse(name.strip_suffix('.').unwrap_or(name)) else { return None };
        Some(Self { host: NoProxyHost::Name { name, below_only }, port })
    }

    fn matches(&self, host: &str, address: Option<IpAddr>, port: Option<u16>) -> bool {
        if self.port.is_some() && self.port != port {
            return false;
        }
        match &self.host {
            NoProxyHost::Address(excepted) => address == Some(*excepted),
            NoProxyHost::Name { name, below_only } if address.is_none() => {
                let host = host.strip_suffix('.').unwrap_or(host);
                match host.strip_suffix(name.as_str()) {
                    Some("") => !below_only,
                    Some(before) => before.ends_with('.'),
                    None => false,
                }
            }
            NoProxyHost::Name { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    /// Whether an address is reached without the proxy.
    fn excepted(no_proxy: &str, address: &str) -> bool {
        let set = |name: &str| match name {
            "HTTPS_PROXY" | "HTTP_PROXY" => Some("proxy.example:3128".to_owned()),
            "NO_PROXY" => Some(no_proxy.to_owned()),
            _ => None,
        };
        Proxies::read(set).expect("proxies").for_url(&url(address)).expect("a proxy").is_none()
    }

    #[test]
    fn no_proxy_is_interpreted_as_in_go() {
        for (no_proxy, without, through) in [
            ("*", &["https://a.example", "http://1.2.3.4"][..], &[][..]),
            ("x, * ,y", &["https://a.example"], &[]),
            ("", &[], &["https://a.example"]),
            (
                "a.example",
                &["https://a.example", "https://b.a.example:8443", "http://A.Example"],
                &["https://ba.example"],
            ),
            (" .a.example ", &["https://b.a.example"], &["https://a.example"]),
            (
                "*.a.example",
                &["https://b.a.example", "https://c.b.a.example"],
                &["https://a.example", "https://ba.example"],
            ),
            ("a.example:8443", &["https://a.example:8443", "https://b.a.example:8443"], &["https://a.example"]),
            ("a.example:443", &["https://a.example"], &["http://a.example", "https://a.example:8443"]),
            ("A.EXAMPLE.", &["https://a.example", "https://a.example."], &[]),
            ("bücher.example", &["https://xn--bcher-kva.example"], &[]),
            ("::1", &["https://[::1]", "https://[0:0::1]:8443"], &["https://[::2]"]),
            ("[::1]", &["https://[::1]", "https://[::1]:8443"], &["https://[::2]"]),
            ("[::1]:8443", &["https://[::1]:8443"], &["https://[::1]"]),
            (
                "10.1.2.3",
                &["https://10.1.2.3", "https://[::ffff:10.1.2.3]"],
                &["https://10.1.2.4", "https://10.1.2.3.a.example"],
            ),
            ("10.1.2.3:80", &["http://10.1.2.3"], &["https://10.1.2.3"]),
            (
                "10.0.0.0/8,fd00::/8",
                &["https://10.9.9.9", "https://[fd12::1]"],
                &["https://11.0.0.1", "https://[fe12::1]"],
            ),
            (
                "a.example:http,:443,a b,*x,[x]:1,https://b.example",
                &[],
                &["https://a.example", "https://b.example", "https://x"],
            ),
        ] {
            for address in without {
                assert!(excepted(no_proxy, address), "{no_proxy:?}: {address}");
            }
            for address in through {
                assert!(!excepted(no_proxy, address), "{no_proxy:?}: {address}");
            }
        }
    }

    #[test]
    fn the_proxy_is_read_from_the_environment() {
        let read = |set: &'static [(&str, &str)]| {
            Proxies::read(move |name| {
                set.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let of = |proxies: &Proxies, address: &str| proxies.for_url(&url(address)).expect("usable").map(Url::to_string);
        let proxies = read(&[
            ("HTTPS_PROXY", ""),
            ("https_proxy", "u:p@proxy.example:3128"),
            ("HTTP_PROXY", "https://tls.example"),
        ]);
        let proxies = proxies.expect("proxies");
        assert_eq!(of(&proxies, "https://a.example").as_deref(), Some("http://u:p@proxy.example:3128/"));
        assert_eq!(of(&proxies, "http://a.example").as_deref(), Some("https://tls.example/"));
        assert!(!format!("{proxies:?}").contains("u:p"));
        let all = read(&[("all_proxy", "all.example"), ("HTTP_PROXY", "http.example"), ("REQUEST_METHOD", "GET")]);
        assert_eq!(of(&all.expect("proxies"), "http://a.example").as_deref(), Some("http://all.example/"));
        assert!(!read(&[("NO_PROXY", "x")]).expect("none").is_configured());
        for invalid in ["socks5://p.example:1080", "http://", "ftp://p.example", "http://hush@:1"] {
            let set = move |name: &str| (name == "HTTPS_PROXY").then(|| invalid.to_owned());
            let error = Proxies::read(set).expect_err(invalid);
            assert!(error.contains("HTTPS_PROXY") && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn an_invalid_all_proxy_fails_only_the_requests_that_need_it() {
        let read = |own: &'static [&str]| {
            Proxies::read(move |name| match name {
                "ALL_PROXY" => Some("socks5://hush.example:1080".to_owned()),
                "NO_PROXY" => Some("b.example".to_owned()),
                _ => own.contains(&name).then(|| "proxy.example:3128".to_owned()),
            })
        };
        let both = read(&["HTTPS_PROXY", "HTTP_PROXY"]).expect("neither needs it");
        for address in ["https://a.example", "http://a.example"] {
            assert!(both.for_url(&url(address)).expect(address).is_some());
        }
        let https = read(&["HTTPS_PROXY"]).expect("only plain HTTP needs it");
        assert!(https.for_url(&url("https://a.example")).expect("its own").is_some());
        assert_eq!(https.for_url(&url("http://b.example")), Ok(None), "it is reached without a proxy");
        let error = https.for_url(&url("http://a.example")).expect_err("needed");
        assert!(error.contains("ALL_PROXY") && !error.contains("hush"), "{error}");
        assert!(read(&["HTTP_PROXY"]).expect_err("needed").contains("ALL_PROXY"));
    }
}
