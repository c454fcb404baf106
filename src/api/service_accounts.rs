//! `ServiceAccount`s that name the pull secret in `imagePullSecrets`.

use super::object_name::ObjectName;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A `ServiceAccount` in the namespace of the `RegistryToken`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ServiceAccountRef {
    /// Name of the `ServiceAccount`. It may be created later.
    pub name: ObjectName,
}

/// A `ServiceAccount` to which the operator adds the Secret, or from which it is still to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordedServiceAccount {
    /// Name of the `ServiceAccount`.
    pub name: ObjectName,
    /// UID of the `ServiceAccount` to which the Secret was added. Absent before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// `resourceVersion` at which the `ServiceAccount` named the Secret. It is read again when that changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Present if another client removed the Secret from the `ServiceAccount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overwritten: Option<OverwrittenServiceAccount>,
}

/// The Secret was removed from a `ServiceAccount` by another client. It is added again after a delay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct OverwrittenServiceAccount {
    /// How often that happened. Each time doubles the delay, from 10 seconds to an hour.
    #[schemars(range(min = 1))]
    pub count: i32,
    /// When it was last noticed.
    pub time: Time,
    /// Field manager that last wrote `imagePullSecrets`, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
}
