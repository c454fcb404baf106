//! The decision core: values in, values out. No Kubernetes client, no HTTP, no runtime and no
//! clock is known here; time comes in as a value.

pub mod audit;
pub mod backoff;
pub mod cause;
pub mod conditions;
pub mod decide;
pub mod dockerconfig;
pub mod due;
pub mod effect;
pub mod errand;
pub mod fault;
pub mod faults;
#[cfg(test)]
mod fuzz;
pub mod identity;
pub mod inventory;
pub mod leaving;
pub mod marker;
pub mod object;
pub mod observed;
pub mod pass;
pub mod protection;
pub mod pull_secret;
pub mod recorded;
pub mod redate;
pub mod release;
pub mod request_backoff;
pub mod roll_call;
pub mod sightings;
pub mod status;
pub mod step;
#[cfg(test)]
mod testing;
pub mod token_mac;
pub mod unproved;
pub mod vain;
pub mod vanished;
mod witness;
