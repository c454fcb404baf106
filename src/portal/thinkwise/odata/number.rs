//! Numbers as exact texts: a float cannot represent ids of more than 15 digits.

/// No key column contains longer numbers.
const MAX_DIGITS: usize = 256;

/// The canonical form of a number: no exponent, no superfluous zero, no plus, no negative zero. `None` for anything
/// but a finite decimal number of at most 256 digits.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let (sign, number) = match text.strip_prefix('-') {
        Some(number) => ("-", number),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{fraction}");
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let point = i64::try_from(integer.len()).ok()? + i64::from(exponent);
    let (integer, fraction) = split(&digits, point)?;
    let (integer, fraction) = (integer.trim_start_matches('0'), fraction.trim_end_matches('0'));
    Some(match (integer, fraction) {
        ("", "") => "0".to_owned(),
        (integer, "") => format!("{sign}{integer}"),
        ("", fraction) => format!("{sign}0.{fraction}"),
        (integer, fraction) => format!("{sign}{integer}.{fraction}"),
    })
}

/// The digits before and after the decimal point, with the necessary zeros.
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
    let (integer, fraction) = digits.split_at_checked(usize::try_from(point).ok()?)?;
    Some((integer.to_owned(), fraction.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_have_the_same_canonical_form() {
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
    fn invalid_and_excessively_long_numbers_are_rejected() {
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
