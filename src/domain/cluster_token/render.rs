//! What a template sets in a `RegistryToken`.

use crate::api::{
    CLUSTER_TOKEN_LABEL, GROUP, RECONCILE_ANNOTATION, REPLACE_ANNOTATION, ROTATE_ANNOTATION, Reason, RegistryTokenSpec,
    TokenTemplate,
};
use crate::domain::model::hash::{hash, hash64};
use crate::domain::model::problem::Problem;
use serde::Serialize;
use std::collections::BTreeMap;

/// Stands for the name of the namespace.
const PLACEHOLDER: &str = "$(NAMESPACE)";
/// Longest description, in characters, as in the CRD.
const MAX_DESCRIPTION_CHARS: usize = 200;
/// Longest value of a label.
const MAX_LABEL_VALUE: usize = 63;
/// Length of the hashes in labels and annotations.
const HASH_LENGTH: usize = 26;

/// The template of an object, and what else is the same in each namespace.
#[derive(Clone, Debug)]
pub struct Template {
    /// Name of the object.
    pub parent: String,
    /// Name of each `RegistryToken`.
    pub token_name: String,
    pub content: TokenTemplate,
    /// The annotations of the object that request something.
    pub requests: BTreeMap<String, String>,
}

/// Requests by annotation, which are copied once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    pub annotations: BTreeMap<String, String>,
    pub hash: String,
}

/// What a `RegistryToken` should contain.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// The keys of these labels and annotations.
    pub keys: String,
    pub spec: RegistryTokenSpec,
    pub requests: Option<Requests>,
    pub fingerprint: u64,
}

impl Template {
    /// What the `RegistryToken` of this namespace should contain.
    ///
    /// # Errors
    /// If the description is too long with the name of the namespace.
    pub fn render(&self, namespace: &str) -> Result<Desired, Problem> {
        let replace = |text: &str| text.replace(PLACEHOLDER, namespace);
        let replaced = |map: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            map.iter().map(|(key, value)| (key.clone(), replace(value))).collect()
        };
        let mut spec = self.content.spec.clone();
        spec.description = replace(&spec.description);
        let length = spec.description.chars().count();
        if length > MAX_DESCRIPTION_CHARS {
            return Err(too_long(length));
        }
        if let Some(scope) = &mut spec.scope {
            scope.projects.iter_mut().for_each(|project| *project = replace(project));
        }
        if let Some(secret) = &mut spec.secret {
            secret.labels = replaced(&secret.labels);
            secret.annotations = replaced(&secret.annotations);
        }
        let metadata = self.content.metadata.as_ref();
        let mut labels = metadata.map(|metadata| replaced(&metadata.labels)).unwrap_or_default();
        labels.insert(CLUSTER_TOKEN_LABEL.to_owned(), label_value(&self.parent));
        let annotations = metadata.map(|metadata| replaced(&metadata.annotations)).unwrap_or_default();
        let keys = keys_of(&labels, &annotations);
        let fingerprint = fingerprint(&labels, &annotations, &keys, &spec);
        let name = self.token_name.clone();
        Ok(Desired { name, labels, annotations, keys, spec, requests: self.requests(), fingerprint })
    }

    fn requests(&self) -> Option<Requests> {
        let annotations: BTreeMap<String, String> = [ROTATE_ANNOTATION, REPLACE_ANNOTATION, RECONCILE_ANNOTATION]
            .into_iter()
            .filter_map(|key| Some((key.to_owned(), self.requests.get(key)?.clone())))
            .collect();
        let parts: Vec<&str> = annotations.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]).collect();
        let hash = hash(&parts, HASH_LENGTH);
        (!annotations.is_empty()).then_some(Requests { annotations, hash })
    }
}

fn too_long(length: usize) -> Problem {
    Problem {
        reason: Reason::DescriptionTooLong,
        message: format!(
            "the description has {length} characters with the name of this namespace, and at most {MAX_DESCRIPTION_CHARS} are possible: shorten spec.template.spec.description"
        ),
        terminal: true,
    }
}

/// The value of the label that names the object. No object's name contains an underscore.
#[must_use]
pub fn label_value(parent: &str) -> String {
    if parent.len() <= MAX_LABEL_VALUE { parent.to_owned() } else { format!("h_{}", hash(&[parent], HASH_LENGTH)) }
}

/// The keys of labels and annotations that were set, as they are recorded in the object.
fn keys_of(labels: &BTreeMap<String, String>, annotations: &BTreeMap<String, String>) -> String {
    let join = |map: &BTreeMap<String, String>| map.keys().map(String::as_str).collect::<Vec<_>>().join(",");
    format!("{};{}", join(labels), join(annotations))
}

/// The keys of labels and of annotations that this record names. Anyone may change it: annotations of the operator are
/// never named by it.
#[must_use]
pub fn recorded_keys(record: &str) -> [Vec<&str>; 2] {
    let (labels, annotations) = record.split_once(';').unwrap_or_default();
    let named = |key: &&str| !key.is_empty();
    let foreign = |key: &&str| !key.starts_with(GROUP);
    [labels.split(',').filter(named).collect(), annotations.split(',').filter(named).filter(foreign).collect()]
}

/// Hash of what the template sets, for comparison within the process.
#[must_use]
pub fn fingerprint(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    keys: &str,
    spec: &RegistryTokenSpec,
) -> u64 {
    #[derive(Serialize)]
    struct Content<'a>(&'a BTreeMap<String, String>, &'a BTreeMap<String, String>, &'a str, &'a RegistryTokenSpec);
    hash64(&serde_json::to_string(&Content(labels, annotations, keys, spec)).unwrap_or_default())
}

/// The same of a `RegistryToken`: only the labels and annotations that its record names are compared.
#[must_use]
pub fn fingerprint_of(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    record: &str,
    spec: &RegistryTokenSpec,
) -> u64 {
    let [label_keys, annotation_keys] = recorded_keys(record);
    let pick = |map: &BTreeMap<String, String>, keys: &[&str]| -> BTreeMap<String, String> {
        keys.iter().filter_map(|key| Some(((*key).to_owned(), map.get(*key)?.clone()))).collect()
    };
    fingerprint(&pick(labels, &label_keys), &pick(annotations, &annotation_keys), record, spec)
}
