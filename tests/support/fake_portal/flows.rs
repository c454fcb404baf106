//! Process flows that a task started and that wait for input. The input is a resource of its own; finishing it lets the
//! flow end (documented, except for how it is finished: inferred).

use super::random;
use super::requests::Operation;
use super::sync::lock;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Started flows, by the id of the resource that they wait for.
#[derive(Clone, Default)]
pub(super) struct Flows(Arc<Mutex<BTreeMap<String, Flow>>>);

/// One flow.
pub(super) struct Flow {
    task: Operation,
    outputs: Map<String, Value>,
    pub(super) finished: bool,
}

impl Flows {
    /// Starts a flow, and returns the id of the resource that it waits for.
    pub(super) fn begin(&self, task: Operation, outputs: Map<String, Value>) -> String {
        let id = random::guid();
        lock(&self.0).insert(id.clone(), Flow { task, outputs, finished: false });
        id
    }

    /// The outputs that this resource shows while the flow waits.
    pub(super) fn outputs(&self, task: Operation, id: &str) -> Option<Map<String, Value>> {
        let flows = lock(&self.0);
        flows
            .get(&id.to_lowercase())
            .filter(|flow| flow.task == task && !flow.finished)
            .map(|flow| flow.outputs.clone())
    }

    /// Finishes a flow. False if there is no such flow, or it has ended.
    pub(super) fn finish(&self, task: Operation, id: &str) -> bool {
        let mut flows = lock(&self.0);
        match flows.get_mut(&id.to_lowercase()).filter(|flow| flow.task == task && !flow.finished) {
            Some(flow) => {
                flow.finished = true;
                true
            }
            None => false,
        }
    }

    /// Cancels a flow. False if no such flow waits.
    pub(super) fn cancel(&self, task: Operation, id: &str) -> bool {
        self.finish(task, id) && lock(&self.0).remove(&id.to_lowercase()).is_some()
    }

    pub(super) fn count(&self, wanted: impl Fn(&Flow) -> bool) -> usize {
        lock(&self.0).values().filter(|flow| wanted(flow)).count()
    }
}
