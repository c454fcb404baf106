//! The operator with a portal and a registry that others wrote: Gitea. Run it with `make test-real`, which builds Gitea. The
//! contract suite for portals also runs against servers that environment variables name.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::too_many_lines,
    dead_code,
    unused_imports,
    reason = "a test stops at the first failure, and lists its steps in order; the shared helpers are used in part"
)]

#[path = "../support/control_plane/mod.rs"]
mod control_plane;
#[path = "../support/fake_portal/mod.rs"]
mod fake_portal;
#[path = "../support/fault_proxy/mod.rs"]
mod fault_proxy;
#[path = "../support/fixture.rs"]
mod fixture;
#[path = "../support/gitea/mod.rs"]
mod gitea;
#[path = "../support/gitea/with_image.rs"]
mod gitea_with_image;
#[path = "../integration/helpers.rs"]
mod helpers;
mod kills;
mod lifecycle;
#[path = "../support/operator_process/mod.rs"]
mod operator_process;
mod portal_contract;
#[path = "../component/portal_faults.rs"]
mod portal_faults;
#[path = "../support/oci_client/mod.rs"]
mod pull;
mod stage;
