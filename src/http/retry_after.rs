//! Parses `Retry-After`.

use httpdate::parse_http_date;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// The longest wait that is plausible.
const MAX_WAIT: Duration = Duration::from_hours(24);

/// Parses `Retry-After`: seconds, or an HTTP date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        // Relative to the server's clock, if it sends a date: the local clock may be wrong.
        let now = headers.get(DATE).and_then(|now| parse_http_date(now.to_str().ok()?).ok());
        until(parse_http_date(text).ok()?, now)
    };
    Some(wait.min(MAX_WAIT))
}

fn until(then: SystemTime, now: Option<SystemTime>) -> Duration {
    then.duration_since(now.unwrap_or_else(SystemTime::now)).unwrap_or(Duration::ZERO)
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
    fn every_form_of_an_http_date_is_parsed() {
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        for date in ["Sun, 06 Nov 1994 08:50:37 GMT", "Sunday, 06-Nov-94 08:50:37 GMT", "Sun Nov  6 08:50:37 1994"] {
            assert_eq!(read(date, now), Some(Duration::from_mins(1)), "{date}");
        }
    }

    #[test]
    fn invalid_values_are_ignored() {
        for text in ["", "soon", "-5", "1.5", "Mon, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"] {
            assert_eq!(read(text, None), None, "{text}");
        }
    }
}

#[cfg(test)]
mod fuzz {
    use super::*;
    use crate::fuzz_support::{Mutations, choose, mutate};
    use httpdate::fmt_http_date;
    use reqwest::header::HeaderValue;
    use std::time::UNIX_EPOCH;

    const SEEDS: [&str; 5] =
        ["120", "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "0"];

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
            let (now, wait) = (u64::from(*now), u64::from(*wait));
            let date = |seconds| fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            let mut headers = HeaderMap::new();
            headers.insert(DATE, HeaderValue::from_str(&date(now)).expect("a header"));
            let until = date(now + wait);
            for text in [until, wait.to_string()] {
                headers.insert(RETRY_AFTER, HeaderValue::from_str(&text).expect("a header"));
                assert_eq!(retry_after(&headers), Some(Duration::from_secs(wait).min(MAX_WAIT)), "{headers:?}");
            }
        });
    }
}
