//! The address of the profiles.

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::str::FromStr;

/// A loopback address with a port. Profiles are served without authentication, so other Pods must not reach them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopbackAddress(SocketAddr);

/// The text is not a loopback address with a port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a loopback address with a port, and profiles are served without authentication: use 127.0.0.1:6060 \
     and kubectl port-forward"
)]
pub struct NotLoopback(String);

impl LoopbackAddress {
    pub(crate) const fn get(self) -> SocketAddr {
        self.0
    }
}

impl FromStr for LoopbackAddress {
    type Err = NotLoopback;

    fn from_str(text: &str) -> Result<Self, NotLoopback> {
        let address = text.parse::<SocketAddr>().ok();
        // With port 0 the system would choose a port that nobody knows.
        let address = address.filter(|address| address.ip().is_loopback() && address.port() != 0);
        address.map(Self).ok_or_else(|| NotLoopback(text.to_owned()))
    }
}

impl Display for LoopbackAddress {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_with_a_port_are_accepted() {
        for text in ["127.0.0.1:6060", "127.8.0.1:1", "[::1]:6060"] {
            assert_eq!(text.parse::<LoopbackAddress>().expect("loopback").to_string(), text);
        }
    }

    #[test]
    fn every_other_address_is_rejected_with_one_that_works() {
        let wrong = [
            "0.0.0.0:6060",
            "[::]:6060",
            "10.1.2.3:6060",
            "[fd00::1]:6060",
            "[::ffff:127.0.0.1]:6060",
            "localhost:6060",
            "127.0.0.1",
            "127.0.0.1:0",
            ":6060",
            "6060",
            "",
        ];
        for text in wrong {
            let error = text.parse::<LoopbackAddress>().expect_err(text).to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
            assert!(error.ends_with("use 127.0.0.1:6060 and kubectl port-forward"), "{error}");
        }
    }
}
