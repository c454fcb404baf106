//! Random strings.

use super::sync::fill;

/// Characters that break code which pastes a secret into a URL, JSON, YAML, a shell or a `user:password` pair without
/// escaping it.
const HOSTILE: &[u8] = b"+/\"\\$%&=?#:;'`{}<>@!~^|*,";
const PLAIN: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const LENGTH: usize = 32;
/// How many of the hostile characters are in every secret: `+ / " \ $`.
const ALWAYS: usize = 5;

/// A token's password: 32 characters, some of them hostile.
pub(super) fn secret() -> String {
    let random: [u8; LENGTH * 2] = fill();
    let (choice, order) = random.split_at(LENGTH);
    let mut signs: Vec<u8> = HOSTILE[..ALWAYS].to_vec();
    signs.extend(choice[ALWAYS..].iter().map(|&byte| pick(byte)));
    for (at, &byte) in order.iter().enumerate().skip(1) {
        signs.swap(at, usize::from(byte) % (at + 1));
    }
    signs.into_iter().map(char::from).collect()
}

/// A bearer token: plain characters only.
pub(super) fn bearer() -> String {
    let random: [u8; 40] = fill();
    random.iter().map(|&byte| char::from(PLAIN[usize::from(byte) % PLAIN.len()])).collect()
}

/// A GUID.
pub(super) fn guid() -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(fill()));
    // Version 4, and the variant of RFC 9562.
    format!("{}-{}-4{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
}

/// One character in five is hostile.
fn pick(byte: u8) -> u8 {
    let at = usize::from(byte);
    if at % 5 == 0 { HOSTILE[at / 5 % HOSTILE.len()] } else { PLAIN[at % PLAIN.len()] }
}
