//! Numbers as exact texts: a float holds no id of more than 15 digits.

/// Longer numbers are none that a key column holds.
const MAX_DIGITS: usize = 256;

/// The one way to write this number: no exponent, no superfluous zero, no plus, no negative zero. `None` for
/// anything but a finite decimal number of at most 256 digits.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let (sign, number) = match text.strip_prefix('-') {
        Some(number) => ("-", number),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
    let (whole, fraction) = split(&digits, point)?;
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    Some(match (whole, fraction) {
        ("", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        ("", fraction) => format!("{sign}0.{fraction}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    })
}

/// The digits before and after the point, with the zeros that it takes.
fn split(digits: &str, point: i64) -> Option<(String, String)> {
    let zeros = |count: u64| usize::try_from(count).ok().filter(|count| *count <= MAX_DIGITS).map(|n| "0".repeat(n));
    let length = i64::try_from(digits.len()).ok()?;
    if digits.bytes().all(|byte| byte == b'0') {
        return Some((String::new(), String::new()));
    }
    if point <= 0 {
        return Some((String::new(), format!("{}{digits}", zeros(point.unsigned_abs())?)));
    }
    if point >= length {
        return Some((format!("{digits}{}", zeros(point.abs_diff(length))?), String::new()));
    }
    let (whole, fraction) = digits.split_at_checked(usize::try_from(point).ok()?)?;
    Some((whole.to_owned(), fraction.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_written_alike_to_the_last_digit() {
        for (texts, number) in [
            (&["17", "017", "+17", "17.0", "17.", "1.7e1", "170E-1", "0.17e+2"][..], "17"),
            (&["0", "-0", "0.000", "0e999", "-0.0e-999"], "0"),
            (&["9007199254740993", "9007199254740993.0", "9.007199254740993e15"], "9007199254740993"),
            (&["-4.20", "-42e-1", "-0004.2"], "-4.2"),
            (&["1e-3", ".001", "0.0010"], "0.001"),
            (&["123456789012345678901234567890.12"], "123456789012345678901234567890.12"),
        ] {
            for text in texts {
                assert_eq!(canonical(text).as_deref(), Some(number), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_number_or_a_boundless_one_is_none() {
        let long = "1".repeat(257);
        for text in [
            "",
            "-",
            ".",
            "--1",
            "+-1",
            "1e",
            "e1",
            "1e1.5",
            "1e9999999999",
            "1e300",
            "1e-300",
            "inf",
            "NaN",
            "0x1",
            " 1",
            "1_0",
            "٣",
            &long,
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }
}
