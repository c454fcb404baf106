//! Keeps container-registry tokens of a vendor's portal as Kubernetes pull secrets.

pub mod api;
pub mod domain;
pub mod portal;
