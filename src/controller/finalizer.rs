//! Our finalizer among the finalizers of an object.

use crate::api::FINALIZER;
use serde_json::{Value, json};

/// Whether our finalizer is there.
pub fn has_finalizer(finalizers: &[String]) -> bool {
    finalizers.iter().any(|finalizer| finalizer == FINALIZER)
}

/// A guarded patch that adds or removes our finalizer; nothing where it is as wanted.
pub fn finalizer_patch(present: &[String], version: Option<&str>, wanted: bool) -> Option<Value> {
    if has_finalizer(present) == wanted {
        return None;
    }
    let others = present.iter().filter(|finalizer| *finalizer != FINALIZER).cloned();
    let all: Vec<String> = others.chain(wanted.then(|| FINALIZER.to_owned())).collect();
    Some(json!({"metadata": {"resourceVersion": version, "finalizers": all}}))
}
