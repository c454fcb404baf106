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
