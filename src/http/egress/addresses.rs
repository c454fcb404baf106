//! Determines which addresses are on the public internet. All other addresses are in a range that IANA's
//! special-purpose registries reserve (RFC 6890 and its successors), or are multicast.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ranges that are not public, with their prefix lengths and purposes.
const IPV4: [([u8; 4], u32, &str); 19] = [
    ([0, 0, 0, 0], 8, "unspecified"),
    ([10, 0, 0, 0], 8, "private network"),
    ([100, 64, 0, 0], 10, "shared address space"),
    ([127, 0, 0, 0], 8, "loopback"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([172, 16, 0, 0], 12, "private network"),
    ([192, 0, 0, 0], 24, "reserved"),
    ([192, 0, 2, 0], 24, "documentation"),
    ([192, 31, 196, 0], 24, "AS112"),
    ([192, 52, 193, 0], 24, "AMT"),
    ([192, 88, 99, 0], 24, "6to4 relay"),
    ([192, 168, 0, 0], 16, "private network"),
    ([192, 175, 48, 0], 24, "AS112"),
    ([198, 18, 0, 0], 15, "benchmarking"),
    ([198, 51, 100, 0], 24, "documentation"),
    ([203, 0, 113, 0], 24, "documentation"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([255, 255, 255, 255], 32, "broadcast"),
    ([240, 0, 0, 0], 4, "reserved"),
];

/// The same for IPv6. Everything outside of `GLOBAL_UNICAST` is reserved; these have a more specific name, or are
/// within it.
const IPV6: [([u16; 8], u32, &str); 15] = [
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, "unspecified"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"),
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, "IPv4-compatible"),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "NAT64 of a local network"),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "discard"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "Teredo"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "reserved"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation"),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4"),
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, "AS112"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation"),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "private network"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local"),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast"),
];

/// The only part of IPv6 that is allocated to the public internet.
const GLOBAL_UNICAST: ([u16; 8], u32) = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
/// The prefix by which DNS64 and NAT64 reach all of IPv4 (RFC 6052).
const NAT64: ([u16; 8], u32) = ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

/// The actual address of a connection: an IPv4 address may be written as IPv6.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) if within_ipv6(six, NAT64.0, NAT64.1) => {
            let [.., a, b, c, d] = six.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        canonical => canonical,
    }
}

/// The range with canonical addresses: an IPv4 range may be written as IPv6.
pub(super) fn canonical_range(range: IpNet) -> IpNet {
    let bits = range.prefix_len().checked_sub(96);
    match (range, canonical(range.network()), bits) {
        (IpNet::V6(_), address @ IpAddr::V4(_), Some(bits)) => IpNet::new(address, bits).unwrap_or(range),
        _ => range,
    }
}

/// The purpose of a canonical address, if it is not public.
pub(super) fn special_purpose(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(four) => {
            let found = IPV4.iter().find(|(range, bits, _)| {
                let shift = 32 - bits;
                u32::from(four) >> shift == u32::from(Ipv4Addr::from(*range)) >> shift
            });
            found.map(|(_, _, what)| *what)
        }
        IpAddr::V6(six) => {
            let found = IPV6.iter().find(|(range, bits, _)| within_ipv6(six, *range, *bits));
            let public = within_ipv6(six, GLOBAL_UNICAST.0, GLOBAL_UNICAST.1);
            found.map(|(_, _, what)| *what).or((!public).then_some("reserved"))
        }
    }
}

fn within_ipv6(address: Ipv6Addr, range: [u16; 8], bits: u32) -> bool {
    let shift = 128 - bits;
    u128::from(address) >> shift == u128::from(Ipv6Addr::from(range)) >> shift
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<&'static str> {
        special_purpose(canonical(text.parse().expect(text)))
    }

    #[test]
    fn the_edges_of_every_special_range_are_known() {
        for (first, last, what) in [
            ("0.0.0.0", "0.255.255.255", "unspecified"),
            ("10.0.0.0", "10.255.255.255", "private network"),
            ("100.64.0.0", "100.127.255.255", "shared address space"),
            ("127.0.0.0", "127.255.255.255", "loopback"),
            ("169.254.0.0", "169.254.169.254", "link-local"),
            ("172.16.0.0", "172.31.255.255", "private network"),
            ("192.0.0.0", "192.0.0.255", "reserved"),
            ("192.0.2.0", "192.0.2.255", "documentation"),
            ("192.88.99.0", "192.88.99.255", "6to4 relay"),
            ("192.168.0.0", "192.168.255.255", "private network"),
            ("198.18.0.0", "198.19.255.255", "benchmarking"),
            ("198.51.100.0", "198.51.100.255", "documentation"),
            ("203.0.113.0", "203.0.113.255", "documentation"),
            ("224.0.0.0", "239.255.255.255", "multicast"),
            ("240.0.0.0", "255.255.255.254", "reserved"),
            ("255.255.255.255", "255.255.255.255", "broadcast"),
            ("::2", "::ffff", "IPv4-compatible"),
            ("::127.0.0.1", "::10.0.0.1", "IPv4-compatible"),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "NAT64 of a local network"),
            ("100::", "100::ffff", "discard"),
            ("2001::", "2001::ffff", "Teredo"),
            ("2001:2::1", "2001:1ff::1", "reserved"),
            ("2001:db8::", "2001:db8:ffff::", "documentation"),
            ("2002::", "2002:7f00:1::", "6to4"),
            ("3fff::", "3fff:fff::", "documentation"),
            ("fc00::", "fdff::1", "private network"),
            ("fe80::", "febf::1", "link-local"),
            ("fec0::", "feff::1", "site-local"),
            ("ff00::", "ffff::1", "multicast"),
            ("5f00::1", "4000::", "reserved"),
        ] {
            assert_eq!((of(first), of(last)), (Some(what), Some(what)), "{first} to {last}");
        }
        assert_eq!((of("::"), of("::1")), (Some("unspecified"), Some("loopback")));
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_checked_as_ipv4() {
        for (text, what) in [
            ("::ffff:127.0.0.1", Some("loopback")),
            ("::ffff:169.254.169.254", Some("link-local")),
            ("::ffff:8.8.8.8", None),
            ("64:ff9b::10.0.0.1", Some("private network")),
            ("64:ff9b::8.8.8.8", None),
        ] {
            assert_eq!(of(text), what, "{text}");
        }
    }

    #[test]
    fn addresses_next_to_a_special_range_are_public() {
        for text in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::",
            "2001:db7::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700::1111",
            "3ffe::1",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
