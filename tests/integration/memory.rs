//! Which secrets are in the memory of an operator at rest.

use crate::fake_portal::Config;
use crate::fixture::{Team, own_control_plane};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Objects of each kind.
const EACH: usize = 10;
/// More copies of the tokens' secrets than this would mean that the operator keeps them.
const MOST: usize = 8;
/// How much of a mapping is read at a time.
const PIECE: usize = 4 << 20;

/// Counts copies of each needle in the memory that a process can read of itself.
fn count(pid: u32, needles: &BTreeMap<String, Vec<Vec<u8>>>) -> BTreeMap<String, usize> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("its mappings");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("its memory");
    let mut found: BTreeMap<String, usize> = needles.keys().map(|kind| (kind.clone(), 0)).collect();
    let longest = needles.values().flatten().map(Vec::len).max().unwrap_or_default();
    let mut buffer = vec![0; PIECE + longest];
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else { continue };
        let ends = range.split_once('-').map(|(from, to)| (u64::from_str_radix(from, 16), u64::from_str_radix(to, 16)));
        let Some((Ok(from), Ok(to))) = ends else { continue };
        // Mappings that are not writable are the program itself.
        if !rights.starts_with("rw") {
            continue;
        }
        let mut at = from;
        while at < to {
            let piece = usize::try_from(to - at).unwrap_or(usize::MAX).min(PIECE + longest);
            let Ok(read) = memory.read_at(&mut buffer[..piece], at) else { break };
            for (kind, needles) in needles {
                // A copy that begins after the piece is counted with the next one.
                let starts = |start: &usize| *start < PIECE;
                let copies = needles.iter().map(|needle| positions(&buffer[..read], needle).filter(starts).count());
                *found.entry(kind.clone()).or_default() += copies.sum::<usize>();
            }
            at += PIECE as u64;
        }
    }
    found
}

fn positions<'a>(text: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let first = needle[0];
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(next) = text[at..].iter().position(|byte| *byte == first) {
            let start = at + next;
            at = start + 1;
            if text[start..].starts_with(needle) {
                return Some(start);
            }
        }
        None
    })
}

/// The text itself, and the middle of its Base64 form (a third of which does not depend on what precedes it).
fn shapes(secret: &str) -> Vec<Vec<u8>> {
    let mut all = vec![secret.as_bytes().to_vec()];
    for offset in 0..3 {
        let encoded = STANDARD.encode([vec![b'x'; offset], secret.as_bytes().to_vec()].concat());
        all.push(encoded.as_bytes()[4..encoded.len() - 4].to_vec());
    }
    all
}

#[tokio::test]
async fn an_operator_at_rest_keeps_almost_no_copy_of_a_tokens_password() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "memory", Config::default(), json!({})).await;
    let names = |kind: &str| (0..EACH).map(|index| format!("{kind}-{index}")).collect::<Vec<_>>();
    let all: Vec<String> = ["kept", "replaced", "gone"].iter().flat_map(|kind| names(kind)).collect();
    for name in &all {
        team.token(name, "handled").await;
    }
    for name in &all {
        team.until_synced(name).await;
    }
    for name in names("replaced") {
        team.patch(&name, json!({"metadata": {"annotations": {"registry-token.dev/replace": "now"}}})).await;
    }
    for name in names("gone") {
        team.delete(&name).await;
    }
    crate::control_plane::eventually("the replaced tokens to be revoked", crate::fixture::LIMIT, async || {
        let live = team.portal.ledger().live().len();
        if live == 2 * EACH { Ok(()) } else { Err(format!("{live} live")) }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(5)).await;

    let mut needles: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for token in team.portal.ledger().all() {
        let kind = if token.is_live() { "secrets of live tokens" } else { "secrets of revoked tokens" };
        needles.entry(kind.to_owned()).or_default().extend(shapes(&token.secret));
    }
    needles.insert("the portal's password".to_owned(), shapes("portal-password"));
    needles
        .insert("the portal's password, as sent".to_owned(), vec![STANDARD.encode("k8s:portal-password").into_bytes()]);
    // A name that must be present: otherwise nothing was read.
    needles.insert("names of objects".to_owned(), vec![b"kept-0".to_vec()]);
    let found = count(operator.pid(), &needles);
    println!("copies in the memory of an operator at rest: {found:#?}");
    assert!(found["names of objects"] > 0, "the search works");
    // Buffers of HTTP and TLS are freed without being wiped, so a copy may remain until its memory is reused; the
    // operator itself keeps none.
    let copies = found["secrets of revoked tokens"] + found["secrets of live tokens"];
    assert!(copies <= MOST, "{copies} copies of {} secrets", team.portal.ledger().all().len());
}
