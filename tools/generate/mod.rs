//! The generated files of the repository, for the generator and for the test that compares them.

pub mod argocd;
pub mod crds;
pub mod files;
pub mod install;
pub mod policies;
pub mod readme;
pub mod rules;
pub mod schemas;
