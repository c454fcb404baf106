//! Durations in the format that Kubernetes users write.

use jiff::SignedDuration;
use jiff::fmt::friendly::{Designator, Spacing, SpanPrinter};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time written as `90s`, `1m30s`, `500ms` or `2h`: each unit at most once, largest unit first.
//
// `kube::core::Duration` does not fit: its schema accepts any string, its parser accepts negative values and panics at
// one that is too long for `std::time::Duration`, such as `9999999999999999h`, and it prints `2h` as `7200s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShortDuration(pub Duration);

/// The text is not a duration.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a duration: write it like 90s, 1m30s or 2h")]
pub struct ParseDurationError(String);

impl ShortDuration {
    /// Creates a duration of whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

/// How long a namespace keeps its token after it stopped matching.
pub(super) const fn default_grace_period() -> ShortDuration {
    ShortDuration::from_secs(60 * 60)
}

impl FromStr for ShortDuration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed: SignedDuration = text.parse().map_err(|_| ParseDurationError(text.to_owned()))?;
        Duration::try_from(parsed).map(Self).map_err(|_| ParseDurationError(text.to_owned()))
    }
}

impl fmt::Display for ShortDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Go, and therefore CEL, accepts neither spaces nor long unit names.
        let printer = SpanPrinter::new().spacing(Spacing::None).designator(Designator::Compact);
        f.write_str(&printer.unsigned_duration_to_string(&self.0))
    }
}

impl Serialize for ShortDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ShortDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for ShortDuration {
    fn schema_name() -> Cow<'static, str> {
        "ShortDuration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 20,
            // Must not accept more than `FromStr` parses: the operator must be able to read every object that the API
            // server accepts.
            "pattern": "^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_duration_is_parsed_to_the_same_value() {
        for text in ["5s", "1m30s", "500ms", "2h", "1h15m"] {
            let read: ShortDuration = text.parse().expect(text);
            assert_eq!(read.to_string(), text);
        }
        assert_eq!("90s".parse::<ShortDuration>().expect("90s").0, Duration::from_secs(90));
    }

    #[test]
    fn everything_that_the_pattern_accepts_is_parsed() {
        for text in ["0s", "007m", "1h2m3s4ms", "2h500ms", "2562047h", "9999999999999999ms"] {
            assert!(text.parse::<ShortDuration>().is_ok(), "{text}");
        }
    }

    #[test]
    fn an_invalid_duration_is_rejected_with_the_format() {
        let error = "soon".parse::<ShortDuration>().expect_err("not a duration").to_string();
        assert!(error.contains("90s"), "{error}");
        assert!("-5s".parse::<ShortDuration>().is_err());
    }
}
