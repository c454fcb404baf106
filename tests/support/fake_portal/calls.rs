//! The requests of a task: the single request that is all of it, or those of a staged task and of the process flow
//! after it.

use super::answer::Answer;
use super::body::Inputs;
use super::config::Config;
use super::declared::Declared;
use super::faults::WorkOptions;
use super::forms::{CommitAnswer, Flow, Location};
use super::habits::cookie;
use super::ledger::Token;
use super::requests::{OpenRecord, Operation};
use super::shared::Shared;
use super::staged::Staged;
use super::target::{Target, flow, staged};
use super::tasks::{Run, of_row};
use super::{messages, rows};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// One such request.
pub(super) struct TaskCall {
    pub(super) shared: Arc<Shared>,
    pub(super) config: Arc<Config>,
    pub(super) by: String,
    pub(super) body: Vec<u8>,
    pub(super) visit: OpenRecord,
    pub(super) manner: WorkOptions,
}

/// A response, or the response to an error.
type Outcome = Result<Answer, Answer>;

impl TaskCall {
    /// Performs the request.
    pub(super) fn answer(&self, target: &Target) -> Answer {
        let outcome = match target {
            Target::Unbound(task) => self.in_one(*task, None, 1),
            Target::Bound(task, key) => self.in_one(*task, Some(key), 2),
            Target::Stage(task, key) => self.stage(*task, key),
            Target::Commit(task, id) => self.commit(*task, id),
            Target::FlowContinue(task, id) => self.go_on(*task, id),
            Target::FlowFinish(task, id) => self.finish(*task, id),
            Target::Staged(task, id) => self.patch(*task, id),
            _ => Err(messages::not_found(&self.config)),
        };
        outcome.unwrap_or_else(|rejection| rejection)
    }

    /// A task in one request. `depth`: the number of segments of its address.
    fn in_one(&self, task: Operation, key: Option<&String>, depth: usize) -> Outcome {
        let declared = Declared::of(&self.config, task);
        let row = match key {
            Some(key) => self.row(&declared, key)?,
            None => None,
        };
        let inputs = self.inputs()?;
        if !inputs.are(&declared.wanted(), self.config.strict_order) {
            return Err(messages::invalid(&self.config));
        }
        let inputs = self.kept(inputs);
        let outputs = self.run(&declared, &inputs, row.as_ref())?;
        Ok(self.ran(&declared, &inputs, outputs, depth))
    }

    /// The part of some inputs that the portal keeps.
    fn kept(&self, mut inputs: Inputs) -> Inputs {
        if self.config.habits.drops_last && inputs.0.len() > 1 {
            inputs.0.pop();
        }
        inputs
    }

    fn stage(&self, task: Operation, key: &str) -> Outcome {
        // Documented: without a body.
        if !self.body.is_empty() {
            return Err(messages::invalid(&self.config));
        }
        let declared = Declared::of(&self.config, task);
        let row = if declared.form.form.is_bound() { self.row(&declared, key)? } else { None };
        let value = |parameter: &_, token: &_| of_row(&self.config, parameter, token);
        let given = super::staged::given(&declared, row.as_ref(), value);
        let id = self.shared.ledger.staged.stage(&declared, row.as_ref(), given.clone());
        // That the response shows the resource is inferred; its address is documented.
        let answer = Answer::json(201, &shown(&id, given.object()));
        let depth = if declared.form.form.is_bound() { 3 } else { 2 };
        Ok(self.sticky(answer.with("location", self.location(&format!("{}({id})", staged(&declared)), depth)), &id))
    }

    fn patch(&self, task: Operation, id: &str) -> Outcome {
        let declared = Declared::of(&self.config, task);
        let changes = self.inputs()?;
        if !changes.are_among(&declared.wanted()) {
            return Err(messages::invalid(&self.config));
        }
        let staged = self.shared.ledger.staged.patch(task, id, self.kept(changes));
        let staged = staged.ok_or_else(|| messages::not_found(&self.config))?;
        // Inferred: default values may have changed other parameters, so the response shows all of them.
        Ok(Answer::json(200, &shown(id, staged.inputs.object())))
    }

    fn commit(&self, task: Operation, id: &str) -> Outcome {
        self.nothing_sent()?;
        let declared = Declared::of(&self.config, task);
        let tasks = &self.shared.ledger.staged;
        let staged = tasks.begin(task, id).ok_or_else(|| messages::not_found(&self.config))?;
        let outcome = self.run_staged(&declared, &staged);
        tasks.end(task, id, outcome.as_ref().ok().cloned());
        let outputs = outcome?;
        if self.config.forms.commit == CommitAnswer::Empty && declared.form.flow == Flow::None {
            return Ok(Answer::empty(204));
        }
        Ok(self.ran(&declared, &staged.inputs, outputs, 2))
    }

    fn run_staged(&self, declared: &Declared<'_>, staged: &Staged) -> Result<Map<String, Value>, Answer> {
        let row = staged.token.and_then(|id| self.shared.ledger.token(id));
        self.run(declared, &staged.inputs, row.as_ref())
    }

    /// Documented: with a status code.
    fn go_on(&self, task: Operation, id: &str) -> Outcome {
        if self.config.habits.flow_commits {
            return Err(messages::not_found(&self.config));
        }
        let code = self.inputs()?.get("status_code").and_then(Value::as_i64);
        code.ok_or_else(|| messages::invalid(&self.config))?;
        let ended = self.shared.ledger.flows.finish(task, id);
        if ended { Ok(Answer::empty(204)) } else { Err(messages::not_found(&self.config)) }
    }

    fn finish(&self, task: Operation, id: &str) -> Outcome {
        self.nothing_sent()?;
        // Inferred: nothing else follows, so the flow runs to its end.
        let ended = self.shared.ledger.flows.finish(task, id);
        if ended { Ok(Answer::empty(204)) } else { Err(messages::not_found(&self.config)) }
    }

    fn run(&self, declared: &Declared<'_>, inputs: &Inputs, row: Option<&Token>) -> Result<Map<String, Value>, Answer> {
        let (config, ledger) = (&*self.config, &self.shared.ledger);
        let outputs = Run { config, ledger, declared, inputs, row, by: &self.by }.run(self.manner.twice)?;
        self.visit.applied();
        Ok(outputs)
    }

    /// The response of a task that has run.
    fn ran(&self, declared: &Declared<'_>, inputs: &Inputs, outputs: Map<String, Value>, depth: usize) -> Answer {
        match declared.form.flow {
            Flow::None => {
                let mut all = inputs.object();
                all.extend(outputs);
                Answer::json(200, &Value::Object(all))
            }
            Flow::Ends => Answer::empty(204),
            Flow::Waits => {
                let id = self.shared.ledger.flows.begin(declared.task, outputs);
                let at = self.location(&format!("{}({id})", flow(declared)), depth);
                self.sticky(Answer::empty(201).with("location", at), &id)
            }
        }
    }

    /// Adds the cookie of the instance that has this resource.
    fn sticky(&self, answer: Answer, id: &str) -> Answer {
        if !self.config.habits.affinity {
            return answer;
        }
        answer.with("set-cookie", format!("{}; Path=/; HttpOnly; SameSite=None; Secure", cookie(id)))
    }

    fn row(&self, declared: &Declared<'_>, key: &str) -> Result<Option<Token>, Answer> {
        rows::bound(&self.config, &self.shared.ledger, declared, key, &self.by)
    }

    fn inputs(&self) -> Result<Inputs, Answer> {
        Inputs::parse(&self.body).ok_or_else(|| messages::invalid(&self.config))
    }

    /// A commit has no body, or an empty object (inferred).
    fn nothing_sent(&self) -> Result<(), Answer> {
        let nothing = self.body.is_empty() || Inputs::parse(&self.body).is_some_and(|inputs| inputs.0.is_empty());
        if nothing { Ok(()) } else { Err(messages::invalid(&self.config)) }
    }

    fn location(&self, resource: &str, depth: usize) -> String {
        let application = format!("{}/iam/{}", self.config.root, self.config.application);
        match self.config.forms.location {
            Location::Absolute => format!("{}{application}/{resource}", self.shared.named_origin()),
            Location::Rooted => format!("{application}/{resource}"),
            Location::Relative => format!("{}{resource}", "../".repeat(depth - 1)),
        }
    }
}

/// The JSON of a staged resource.
pub(super) fn shown(id: &str, values: Map<String, Value>) -> Value {
    let mut resource = Map::from_iter([("staged_id".to_owned(), json!(id))]);
    resource.extend(values);
    Value::Object(resource)
}
