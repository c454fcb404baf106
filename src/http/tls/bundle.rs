//! Parses a bundle of CA certificates as users provide it: PEM, with any text before and between the blocks.

use super::TrustError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The certificates of a bundle, each with the number of its block, starting at 1. Blocks other than certificates are
/// counted and skipped, as other clients do.
///
/// # Errors
/// If a block is not valid PEM.
pub(super) fn certificates(text: &str) -> Result<Vec<(usize, CertificateDer<'static>)>, TrustError> {
    let mut found = vec![];
    let mut number = 0;
    // Editors on Windows write a byte-order mark before the first line, and bundles may be concatenated from several
    // files.
    let mut lines = text.split(['\n', '\r', '\u{feff}']).map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix(BEGIN) else { continue };
        number += 1;
        let error = TrustError::NotPem { block: number };
        let Some(label) = label.strip_suffix(DASHES) else { return Err(error) };
        let end = format!("{END}{label}{DASHES}");
        let mut body = String::new();
        loop {
            match lines.next() {
                Some(line) if line == end => break,
                Some(line) if !line.starts_with(DASHES) => body.extend(line.split_whitespace()),
                _ => return Err(error),
            }
        }
        if !matches!(label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE") {
            continue;
        }
        let Ok(mut der) = STANDARD.decode(body) else { return Err(error) };
        if label == "TRUSTED CERTIFICATE" {
            // OpenSSL appends its own settings to the certificate.
            let length = super::der::Element::read(&der).map_or(0, |(_, rest)| der.len() - rest.len());
            der.truncate(length);
        }
        found.push((number, CertificateDer::from(der)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(label: &str, body: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(body))
    }

    fn numbers(text: &str) -> Result<Vec<usize>, TrustError> {
        certificates(text).map(|found| found.into_iter().map(|(number, _)| number).collect())
    }

    #[test]
    fn blocks_are_counted_regardless_of_text_between_them() {
        let (one, key) = (block("CERTIFICATE", b"one"), block("EC PARAMETERS", b"k"));
        for text in [
            format!("{one}{key}{one}"),
            format!("\u{feff}{one}# a comment\n{key}\nsubject=CN x\n{one}"),
            format!("{one}{key}{one}").replace('\n', "\r\n"),
            format!("{one}{key}{one}").replace('\n', "\r"),
            format!("  {one}{key}{one}").replace('\n', " \n   "),
            format!("{one}{key}{}", block("X509 CERTIFICATE", b"two")),
        ] {
            assert_eq!(numbers(&text), Ok(vec![1, 3]), "{text:?}");
        }
        assert_eq!(numbers("hello"), Ok(vec![]));
    }

    #[test]
    fn a_byte_order_mark_before_a_block_does_not_hide_it() {
        let (one, two) = (block("CERTIFICATE", b"one"), block("CERTIFICATE", b"two"));
        for between in ["\u{feff}", "\n \u{feff}", "# two\r\n\u{feff}\u{feff}"] {
            assert_eq!(numbers(&format!("\u{feff}{one}{between}{two}")), Ok(vec![1, 2]), "{between:?}");
        }
        assert_eq!(numbers(&format!("{}\u{feff}{two}", one.trim_end())), Ok(vec![1, 2]), "without a line break");
    }

    #[test]
    fn an_invalid_block_is_reported_with_its_number() {
        let one = block("CERTIFICATE", b"one");
        for invalid in [
            "-----BEGIN CERTIFICATE-----\nAAAA\n",
            "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END X-----\n",
            &format!("-----BEGIN CERTIFICATE-----\nAAAA\n{one}"),
        ] {
            assert_eq!(numbers(&format!("{one}{one}{invalid}")), Err(TrustError::NotPem { block: 3 }), "{invalid:?}");
        }
    }

    #[test]
    fn data_that_openssl_appends_to_a_certificate_is_removed() {
        let text = block("TRUSTED CERTIFICATE", &[0x30, 2, 5, 0, 0x30, 0]);
        let found = certificates(&text).expect("certificates");
        assert_eq!(found, [(1, CertificateDer::from(vec![0x30, 2, 5, 0]))]);
    }
}
