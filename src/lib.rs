//! upkeep: version-aware database backups and crash-safe unattended upgrades for bare-metal servers.
//!
//! `ARCHITECTURE.md` draws the map. Layers, lowest first; a module uses its own layer or below, and
//! `tests/it/tidy.rs` reads the `use crate::` lines and enforces it.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

// The integration tests' own builders serve the unit tests too, by the name under which they know this crate.
#[cfg(test)]
extern crate self as upkeep;
#[cfg(test)]
#[path = "../tests/it/support/targets.rs"]
mod targets;

// L0 words: pure
pub mod clock;
pub mod count;
pub mod failure;
pub mod ids;
pub mod pen;
pub mod product;
pub mod progress;
pub mod shape;
pub mod text;
pub mod version;
pub mod wire;

// L1 decisions: pure, `now` passed in
pub mod files;
pub mod gate;
pub mod retention;
pub mod schedule;

// L2 hands
pub mod archive;
pub mod cipher;
pub mod config;
pub mod context;
pub mod durable;
pub mod fault;
pub mod https;
pub mod process;
pub mod state_db;
pub mod telemetry;
pub mod tls;
pub mod trust;

// L3 things
pub mod engine;
pub mod history;
pub mod release;
pub mod service;
pub mod store;

// L4 work
pub mod backup;
pub mod diff;
pub mod drill;
pub mod expire;
pub mod migrate;
pub mod offsite;
pub mod rehearse;
pub mod restore;
pub mod upgrade;
pub mod verify;

// L5 life
pub mod control;
pub mod daemon;
pub mod status;
pub mod verbs;

// L6 shell
pub mod cli;
