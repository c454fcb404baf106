//! Our finalizer on objects.

use crate::api::FINALIZER;
use serde_json::{Value, json};

pub fn has_finalizer(finalizers: &[String]) -> bool {
    finalizers.iter().any(|finalizer| finalizer == FINALIZER)
}

/// A guarded patch that adds or removes our finalizer; `None` if nothing has to change.
pub fn finalizer_patch(present: &[String], version: Option<&str>, wanted: bool) -> Option<Value> {
    if has_finalizer(present) == wanted {
        return None;
    }
    let others = present.iter().filter(|finalizer| *finalizer != FINALIZER).cloned();
    let all: Vec<String> = others.chain(wanted.then(|| FINALIZER.to_owned())).collect();
    Some(json!({"metadata": {"resourceVersion": version, "finalizers": all}}))
}
