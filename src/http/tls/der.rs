//! Reads the validity of a certificate. rustls has no public function for it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

pub(super) struct Element<'a> {
    tag: u8,
    content: &'a [u8],
}

impl<'a> Element<'a> {
    /// The first element, and the remaining input.
    pub(super) fn read(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (tag, rest) = input.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ 0..=0x7f => (usize::from(short), rest),
            long @ 0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        Some((Self { tag: *tag, content }, rest))
    }

    fn expect(input: &'a [u8], tag: u8) -> Option<(&'a [u8], &'a [u8])> {
        let (element, rest) = Self::read(input)?;
        (element.tag == tag).then_some((element.content, rest))
    }
}

/// The validity period of a certificate (RFC 5280, 4.1).
pub(super) fn validity(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (certificate, _) = Element::expect(certificate, SEQUENCE)?;
    let (signed, _) = Element::expect(certificate, SEQUENCE)?;
    let signed = Element::expect(signed, VERSION).map_or(signed, |(_, rest)| rest);
    let (_serial, rest) = Element::expect(signed, INTEGER)?;
    let (_algorithm, rest) = Element::expect(rest, SEQUENCE)?;
    let (_issuer, rest) = Element::expect(rest, SEQUENCE)?;
    let (dates, _) = Element::expect(rest, SEQUENCE)?;
    let (from, rest) = Element::read(dates)?;
    let (until, _) = Element::read(rest)?;
    Some((time(&from)?, time(&until)?))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(element: &Element<'_>) -> Option<Timestamp> {
    let text = std::str::from_utf8(element.content).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (element.tag, text.len()) {
        (UTC_TIME, 12) => {
            let year: i16 = text[..2].parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &text[2..])
        }
        (GENERALIZED_TIME, 14) => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let part = |at: usize| rest[at..at + 2].parse::<i8>().ok();
    let time = DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dates_of_a_certificate_are_read() {
        let key = rcgen::KeyPair::generate().expect("a key");
        for (from, until, texts) in [
            ((2020, 2, 29), (2049, 12, 31), ("2020-02-29T00:00:00Z", "2049-12-31T00:00:00Z")),
            ((1999, 1, 1), (2050, 1, 1), ("1999-01-01T00:00:00Z", "2050-01-01T00:00:00Z")),
        ] {
            let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).expect("names");
            params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
            params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
            let certificate = params.self_signed(&key).expect("a certificate");
            let (from, until) = validity(certificate.der()).expect("dates");
            assert_eq!((from.to_string().as_str(), until.to_string().as_str()), texts);
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic() {
        bolero::check!().for_each(|bytes: &[u8]| {
            if let Some((element, rest)) = Element::read(bytes) {
                assert!(element.content.len() + rest.len() < bytes.len());
            }
            let _ = validity(bytes);
        });
    }
}
