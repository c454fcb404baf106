//! Whether the output that is taken for a token's id holds it.
//!
//! Names and types can fit and the value be that of something else: then every token would get the customer's id, and
//! an edit or a revocation would hit another token. So the first token is compared with the list, where our user sees
//! that. An output of the key column's own name and type is proved by one token, any other by two of different ids:
//! the customer's id may happen to be that of a token.

use super::interface::{IdSource, Interface, TokenTable};
use super::known::Known;
use super::{Failure, IssuedToken, PortalRow, Rows, Sent, ThinkwisePortal, ids};
use crate::api::Reason;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// A list may learn of a new token late: after each of these waits it is looked at.
const LOOKS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(400), Duration::from_millis(1200)];

/// What was proved so far.
#[derive(Default)]
pub(super) struct IdProof(Mutex<Proved>);

#[derive(Default)]
struct Proved {
    output: String,
    ids: Vec<String>,
}

/// What the list says of a new token.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    /// It is there, under the id that the answer told.
    Same,
    /// It is there under another id.
    Another,
    /// It is not there.
    Nothing,
}

impl IdProof {
    fn with<T>(&self, output: &str, look: impl FnOnce(&mut Vec<String>) -> T) -> T {
        let mut proved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if proved.output != output {
            *proved = Proved { output: output.to_owned(), ids: vec![] };
        }
        look(&mut proved.ids)
    }

    fn is_done(&self, output: &str, table: &TokenTable) -> bool {
        let enough = if output == table.id.name { 1 } else { 2 };
        self.with(output, |ids| ids.len() >= enough)
    }

    fn add(&self, output: &str, id: &str) {
        self.with(output, |ids| {
            if ids.len() < 2 && !ids.iter().any(|known| known == id) {
                ids.push(id.to_owned());
            }
        });
    }
}

/// The table and the output, where there is something to prove.
fn subject(known: &Known) -> Option<(&TokenTable, &str)> {
    let Interface { table, outputs, .. } = &known.interface;
    match (&outputs.id, table.as_ref().filter(|_| known.hidden.is_none())) {
        (IdSource::Output(output), Some(table)) => Some((table, output)),
        _ => None,
    }
}

/// What the rows of the token's username say. A row is known to be the new token's by its description.
fn word(rows: &[PortalRow], id: &str, description: &str) -> Word {
    if rows.iter().any(|row| row.id == id) {
        return Word::Same;
    }
    let sent = description.to_lowercase();
    let mark = sent.rfind(" [").map_or(sent.as_str(), |at| &sent[at..]).trim();
    let is_new = |row: &PortalRow| {
        let shown = row.description.to_lowercase();
        // The only token of that name whose description was lost is none that was settled before.
        shown.contains(mark) || rows.len() == 1 && shown.is_empty()
    };
    if rows.iter().any(is_new) { Word::Another } else { Word::Nothing }
}

impl ThinkwisePortal {
    /// Compares a new token with the list, as long as that is needed. A list that cannot be read, or does not show the
    /// token in time, contradicts nothing.
    ///
    /// # Errors
    /// `Sent::Perhaps`: when the list shows the token under another id, or another token under this one.
    pub(super) async fn prove_id(
        &self,
        known: &Known,
        token: &IssuedToken,
        description: &str,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let (Some((table, output)), Some(id)) = (subject(known), &token.id) else { return Ok(()) };
        if self.id_proof.is_done(output, table) {
            return Ok(());
        }
        let read = |rows| async move { timeout_at(deadline, self.some(table, rows)).await.ok().and_then(Result::ok) };
        for wait in LOOKS {
            if Instant::now() + wait >= deadline {
                return Ok(());
            }
            sleep(wait).await;
            let Some(rows) = read(Rows::OfUser(&token.username)).await else { return Ok(()) };
            match word(&rows, id, description) {
                Word::Same => {
                    self.id_proof.add(output, id);
                    // The same row shows whether the description was kept.
                    self.marking.note(rows.iter().filter(|row| row.id == *id), description);
                    return Ok(());
                }
                Word::Another => return Err(contradicted(output)),
                Word::Nothing => {}
            }
        }
        let holders = read(Rows::WithId(id)).await.unwrap_or_default();
        let is_another = |row: &PortalRow| !ids::same_username(&row.username, &token.username);
        if holders.iter().any(is_another) { Err(contradicted(output)) } else { Ok(()) }
    }
}

fn contradicted(output: &str) -> Failure {
    let message = format!(
        "the portal's list contradicts the id in the answer to the request: {output} is not the token's id. \
         Correct or remove tasks.request.outputs.id (spec.thinkwise)"
    );
    Failure::new(Sent::Perhaps, Reason::AnswerMalformed, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, description: &str) -> PortalRow {
        PortalRow { id: id.to_owned(), username: "tw-1".to_owned(), description: description.to_owned() }
    }

    #[test]
    fn a_row_with_the_mark_tells_the_true_id() {
        let sent = "prod [abc/def]";
        for (rows, says) in [
            (vec![], Word::Nothing),
            (vec![row("17", "PROD [ABC/DEF]")], Word::Same),
            (vec![row("17", "changed since")], Word::Same),
            (vec![row("18", "Prod [Abc/Def] ")], Word::Another),
            (vec![row("18", "")], Word::Another),
            (vec![row("18", "another token of that name")], Word::Nothing),
            (vec![row("18", "prod [abc/def]"), row("17", "")], Word::Same),
            (vec![row("18", ""), row("19", "")], Word::Nothing),
        ] {
            assert_eq!(word(&rows, "17", sent), says, "{rows:?}");
        }
        assert_eq!(word(&[row("18", "plain")], "17", "plain"), Word::Another, "without a mark all of it counts");
    }

    #[test]
    fn an_output_of_another_name_is_proved_by_two_ids() {
        let proof = IdProof::default();
        let count = |output: &str| proof.with(output, |ids| ids.len());
        for (id, known) in [("1", 1), ("1", 1), ("2", 2), ("3", 2)] {
            proof.add("id", id);
            assert_eq!(count("id"), known);
        }
        assert_eq!(count("token_id"), 0, "another output is proved anew");
    }
}
