//! Parses `Retry-After`.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// The longest wait that is plausible.
const MAX_WAIT: Duration = Duration::from_hours(24);

/// Parses `Retry-After`: seconds, or an HTTP date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        // Relative to the server's clock, if it sends a date: the local clock may be wrong.
        Err(_) => until(date(text)?, headers.get(DATE).and_then(|now| date(now.to_str().ok()?))),
    };
    Some(wait.min(MAX_WAIT))
}

fn until(then: Timestamp, now: Option<Timestamp>) -> Duration {
    let left = then.duration_since(now.unwrap_or_else(Timestamp::now));
    Duration::try_from(left).unwrap_or(Duration::ZERO)
}

/// HTTP dates have the format of mail dates, with `GMT`.
fn date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn read(retry: &'static str, date: Option<&'static str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(retry));
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_static(date));
        }
        retry_after(&headers)
    }

    #[test]
    fn seconds() {
        assert_eq!(read("120", None), Some(Duration::from_mins(2)));
        assert_eq!(read("0", None), Some(Duration::ZERO));
        assert_eq!(read("99999999999", None), Some(MAX_WAIT));
    }

    #[test]
    fn a_date_is_relative_to_the_servers_date() {
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT", now), Some(Duration::from_mins(1)));
        assert_eq!(read("Sun, 06 Nov 1994 08:40:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT", None), Some(Duration::ZERO));
    }

    #[test]
    fn invalid_values_are_ignored() {
        for text in ["", "soon", "-5", "1.5"] {
            assert_eq!(read(text, None), None, "{text}");
        }
    }
}

#[cfg(test)]
mod fuzz {
    use super::*;
    use crate::fuzz_support::{Mutations, choose, mutate};
    use jiff::fmt::rfc2822::DateTimePrinter;
    use reqwest::header::HeaderValue;

    const SEEDS: [&str; 4] = ["120", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49 EST", "0"];

    #[test]
    fn no_wait_is_longer_than_a_day() {
        bolero::check!().with_type::<(u8, Mutations, u8, Mutations)>().for_each(|(seed, changes, now, more)| {
            let mut headers = HeaderMap::new();
            for (name, value) in
                [(RETRY_AFTER, mutate(choose(&SEEDS, *seed), changes)), (DATE, mutate(choose(&SEEDS, *now), more))]
            {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    headers.insert(name, value);
                }
            }
            let wait = retry_after(&headers);
            assert!(wait.is_none_or(|wait| wait <= MAX_WAIT), "{wait:?} of {headers:?}");
        });
    }

    #[test]
    fn both_formats_are_parsed() {
        bolero::check!().with_type::<(u32, u32)>().for_each(|(now, wait)| {
            let (now, wait) = (i64::from(*now), u64::from(*wait));
            let date = |seconds: i64| {
                let time = Timestamp::from_second(seconds).expect("a time");
                DateTimePrinter::new().timestamp_to_rfc9110_string(&time).expect("a date")
            };
            let mut headers = HeaderMap::new();
            headers.insert(DATE, HeaderValue::from_str(&date(now)).expect("a header"));
            let until = date(now + i64::try_from(wait).expect("a number"));
            for text in [until, wait.to_string()] {
                headers.insert(RETRY_AFTER, HeaderValue::from_str(&text).expect("a header"));
                assert_eq!(retry_after(&headers), Some(Duration::from_secs(wait).min(MAX_WAIT)), "{headers:?}");
            }
        });
    }
}
