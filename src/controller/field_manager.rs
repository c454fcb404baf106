//! Under which name the operator writes, as `managedFields` shows it.

use super::CONTROLLER_NAME;
use kube::api::{PatchParams, PostParams};

/// For a create or an update.
pub fn post_params() -> PostParams {
    PostParams { field_manager: Some(CONTROLLER_NAME.to_owned()), ..PostParams::default() }
}

/// For a patch.
pub fn patch_params() -> PatchParams {
    PatchParams { field_manager: Some(CONTROLLER_NAME.to_owned()), ..PatchParams::default() }
}
