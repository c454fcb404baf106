//! A container registry, in the forms that clients look up.

use super::tls::Tls;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Names of Docker Hub.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];
/// The key under which every client looks up a login of Docker Hub. Only some find one under `docker.io`.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// The address of Docker Hub's registry.
const DOCKER_HUB_ADDRESS: &str = "registry-1.docker.io";

/// A container registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Registry {
    /// Registry as it appears in front of an image name: `host[:port][/path]`, without a scheme. `docker.io` is stored in
    /// pull secrets as `https://index.docker.io/v1/`, where every client finds it.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("!self.contains('://')").message("write the registry as host[:port][/path] without https://, as in front of an image name"))]
    #[x_kube(validation = Rule::new("self.contains('://') || self.matches('^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[a-z0-9._-]+)*$')").message("a registry is host[:port][/path], such as registry.example.com:5000"))]
    pub host: String,

    /// TLS trust for login checks at this registry. Defaults to the system's root certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

impl Registry {
    /// Returns the key of this registry in pull secrets: host and path in lower case. Host names are case-insensitive, but
    /// kubelets compare them with the host of an image case-sensitively.
    #[must_use]
    pub fn pull_secret_key(&self) -> String {
        let key = self.host.to_ascii_lowercase();
        if DOCKER_HUB.contains(&key.as_str()) { DOCKER_HUB_KEY.to_owned() } else { key }
    }

    /// Returns the address at which a login is verified.
    #[must_use]
    pub fn login_address(&self) -> String {
        let address = self.host.to_ascii_lowercase();
        let host = address.split('/').next().unwrap_or_default();
        if DOCKER_HUB.contains(&host) { DOCKER_HUB_ADDRESS.to_owned() } else { address }
    }
}

/// Whether a repository, written as `host[:port][/path]`, is in the registry with this key in a pull secret.
#[must_use]
pub fn key_covers(key: &str, repository: &str) -> bool {
    let (host, _) = repository.split_once('/').unwrap_or((repository, ""));
    if key == DOCKER_HUB_KEY {
        return DOCKER_HUB.contains(&host);
    }
    repository.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(host: &str) -> Registry {
        Registry { host: host.to_owned(), tls: None }
    }

    #[test]
    fn a_registry_is_stored_in_lower_case() {
        let stored = |host: &str| registry(host).pull_secret_key();
        assert_eq!(stored("Registry.Example.COM:5000/team"), "registry.example.com:5000/team");
        assert_eq!(stored("registry.example.com"), "registry.example.com");
        assert_eq!(registry("Registry.Example.COM:5000/team").login_address(), "registry.example.com:5000/team");
    }

    #[test]
    fn a_repository_is_in_a_registry_with_its_host_port_and_path() {
        for (key, repository) in [
            ("r.example", "r.example"),
            ("r.example", "r.example/"),
            ("r.example", "r.example/charts/web"),
            ("r.example:5000", "r.example:5000/charts"),
            ("r.example/team", "r.example/team/charts"),
            (DOCKER_HUB_KEY, "registry-1.docker.io/acme"),
        ] {
            assert!(key_covers(key, repository), "{key} {repository}");
        }
        for (key, repository) in [
            ("r.example", "r.example.com/charts"),
            ("r.example", "r.example:5000/charts"),
            ("r.example:5000", "r.example/charts"),
            ("r.example/team", "r.example/teams"),
            ("r.example/team", "r.example"),
            (DOCKER_HUB_KEY, "example.com/index.docker.io/v1"),
        ] {
            assert!(!key_covers(key, repository), "{key} {repository}");
        }
    }

    #[test]
    fn docker_hub_is_stored_under_the_key_that_every_client_looks_up() {
        for host in ["docker.io", "Docker.IO", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(registry(host).pull_secret_key(), "https://index.docker.io/v1/", "{host}");
            assert_eq!(registry(host).login_address(), "registry-1.docker.io", "{host}");
        }
        // The key of a path is only looked up in this form.
        assert_eq!(registry("docker.io/example").pull_secret_key(), "docker.io/example");
        assert_eq!(registry("docker.io/example").login_address(), "registry-1.docker.io");
        assert_eq!(registry("mirror.example.com/docker.io").pull_secret_key(), "mirror.example.com/docker.io");
    }
}
