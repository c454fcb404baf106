//! The decision core: values in, values out. No Kubernetes client, no HTTP, no runtime and no
//! clock is known here; time comes in as a value.

pub mod attempt;
pub mod backoff;
pub mod decide;
pub mod dockerconfig;
#[cfg(test)]
mod fuzz;
pub mod marker;
pub mod observed;
pub mod pull_secret;
pub mod status;
