//! Rotation windows: when a rotation that is due may begin.

use super::hash::hash;
use super::token_expiry::rotation_age;
use crate::api::RecordedToken;
use cronexpr::{Crontab, MakeTimestamp, parse_crontab};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// The search for an opening looks four years ahead, and a timestamp ends with the year 9999.
const MAX_TIME: Timestamp = Timestamp::constant(9_000 * 31_556_952 - 62_135_596_800, 0);

/// A recurring period in which rotations may begin.
#[derive(Clone, Debug)]
pub struct RotationWindow {
    /// Schedule and time zone, as parsed.
    text: String,
    opens: Crontab,
    duration: SignedDuration,
}

/// Two windows are equal if they are written the same.
impl PartialEq for RotationWindow {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.duration == other.duration
    }
}

/// The windows of an object. Without any, rotations begin when they are due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RotationWindows {
    windows: Vec<RotationWindow>,
    /// What is wrong with windows that cannot be parsed; they are ignored.
    errors: Vec<String>,
}

/// When a rotation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationStart {
    /// When the token is old enough.
    pub due: Timestamp,
    /// From 0 to 999: rotations are spread over the first half of a window by this share, so that objects with the same
    /// window do not rotate together.
    pub share: u32,
    /// When the token expires, if it does.
    pub expires: Option<Timestamp>,
}

impl RotationStart {
    /// The rotation of this token: after the interval, or earlier because it expires. Without windows, rotations are spread
    /// over the last tenth of that time, so that objects created together do not rotate together. The result for a token is
    /// the same in every process.
    #[must_use]
    pub fn of(token: &RecordedToken, interval: Option<Duration>, uid: &str) -> Option<Self> {
        let interval = interval.into_iter().chain(rotation_age(token)).min()?;
        let spread = hash(&["rotation", uid, &token.nonce], 8);
        let share = spread.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 1000;
        let early = interval / 10_000 * share;
        let after = SignedDuration::try_from(interval.saturating_sub(early)).ok()?;
        let due = token.request_time.0.checked_add(after).ok()?;
        Some(Self { due, share, expires: token.expiration_time.as_ref().map(|time| time.0) })
    }
}

impl RotationWindow {
    /// Parses a schedule of five cron fields, such as `0 2 * * 6`.
    ///
    /// # Errors
    /// Says which schedule or time zone is not valid.
    pub fn parse(schedule: &str, time_zone: &str, duration: SignedDuration) -> Result<Self, String> {
        let text = format!("{schedule} {time_zone}");
        let opens = parse_crontab(&text).map_err(|_| {
            format!("the schedule {schedule:?} in the time zone {time_zone:?} is not valid: write five cron fields, such as \"0 2 * * 6\", and an IANA time zone, such as \"Europe/Amsterdam\"")
        })?;
        Ok(Self { text, opens, duration })
    }

    /// When the window opens next, or has opened if it is open now. `None` if it does not open within four years.
    fn opening(&self, now: Timestamp) -> Option<Timestamp> {
        let before = now.min(MAX_TIME).checked_sub(self.duration).ok()?;
        self.opens.find_next(MakeTimestamp(before)).ok().map(|opening| opening.timestamp())
    }
}

impl RotationWindows {
    /// Windows, some of which may be invalid.
    pub fn new(windows: impl IntoIterator<Item = Result<RotationWindow, String>>) -> Self {
        let mut all = Self::default();
        for window in windows {
            match window {
                Ok(window) => all.windows.push(window),
                Err(error) => all.errors.push(error),
            }
        }
        all
    }

    /// Whether the object has no windows, valid or not.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.errors.is_empty()
    }

    /// When this rotation begins: when it is due, or in the next window after that. A window that is missed is not made
    /// up for: the next one counts. The result changes only when a window ends.
    #[must_use]
    pub fn start(&self, rotation: RotationStart, now: Timestamp) -> Timestamp {
        self.in_window(rotation, now).unwrap_or(rotation.due)
    }

    /// What is wrong with the windows: they are invalid, or do not open before the token expires.
    #[must_use]
    pub fn problem(&self, rotation: RotationStart, now: Timestamp) -> Option<String> {
        let ignored = self.in_window(rotation, now).is_none();
        let rest = if ignored { "the token is rotated when that is due" } else { "the other windows apply" };
        if let Some(error) = self.errors.first() {
            return Some(format!("{error}. Until then, {rest}"));
        }
        let what = match rotation.expires {
            Some(expires) => format!("no window of spec.rotation.windows opens before the token expires at {expires}"),
            None => "no window of spec.rotation.windows opens within four years".to_owned(),
        };
        (ignored && !self.is_empty()).then(|| format!("{what}: change schedule or duration. Until then, {rest}"))
    }

    fn in_window(&self, rotation: RotationStart, now: Timestamp) -> Option<Timestamp> {
        let RotationStart { due, share, expires } = rotation;
        let start = |window: &RotationWindow| {
            let spread = SignedDuration::from_millis(window.duration.as_secs() / 2 * i64::from(share));
            let opening = window.opening(due.max(now))?.checked_add(spread).ok()?;
            Some(opening.max(due))
        };
        let first = self.windows.iter().filter_map(start).min()?;
        expires.is_none_or(|expires| first < expires).then_some(first)
    }
}

#[cfg(test)]
#[path = "rotation_windows_tests.rs"]
mod tests;
