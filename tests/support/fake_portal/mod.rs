//! A fake of the Thinkwise portal (Indicium, OData 4) and of the container registry behind it, for tests, demo and
//! benchmark.
//!
//! [`FakePortal::start`] starts one on ports of its own. Tests read its [`Ledger`] to see what the portal really did,
//! and inject [`Fault`]s. `main.rs` in this folder makes it a program, with a control interface over HTTP.
//!
//! The names and the form under which the real portal publishes its table and tasks are not public: they are in
//! [`Names`], [`KeyShape`] and [`Forms`], and a [`Profile`] is a set of them. What is not public follows the most
//! plausible assumption, and its comment says *inferred*.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "several test binaries include this module, and each uses its own part of it"
)]
#![allow(clippy::must_use_candidate, reason = "tests may ignore whether a colleague's token existed")]
#![allow(clippy::expect_used, reason = "a failure of the fake portal has to stop the test")]

mod answer;
mod bearers;
mod body;
mod calls;
mod columns;
mod config;
mod connection;
mod control;
mod csdl;
mod declared;
mod decoys;
mod faults;
mod filter;
mod flows;
mod forms;
mod habits;
mod image;
mod inject;
mod keys;
mod ledger;
mod literals;
mod login;
mod messages;
mod metadata;
mod names;
mod portal;
mod profiles;
mod query;
mod random;
mod reading;
mod registry;
mod requests;
mod rows;
mod run;
mod server;
mod shared;
mod staged;
mod sync;
mod target;
mod tasks;
mod tls;

pub use config::{Challenge, Config, Login, NextLink, Ports, Visible};
pub use faults::{Fault, Faults, Rule};
pub use forms::{BoundTo, CommitAnswer, Flow, Form, Forms, Location, TaskForm};
pub use habits::{ClientAuth, Habits};
pub use keys::{FixedPart, KeyKind, KeyShape};
pub use ledger::{Edit, Ledger, Token};
pub use messages::MessageShape;
pub use names::{EditNames, Names, RequestNames, RevokeNames};
pub use profiles::{Auth, Profile, SECRET};
pub use requests::{Operation, Record, Server};
pub use run::FakePortal;
