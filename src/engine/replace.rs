//! Taking the place of what a database holds: what is the same for every engine.
//!
//! Owns the names beside a database's own (`names`), what a crash leaves of an exchange and what becomes of it (`states`), and what a
//! load is told of the content it replaces (`fence`). Never touches a database: each engine fills, fences, proves and exchanges in
//! its own files, and those do not know the dispatcher above them. Invariant: before the exchange the old content stands or can
//! stand again under its own name; after it nothing is an error any more, only a warning and work for `settle`. Held by
//! `tests/it/replaced.rs`.

pub mod fence;
pub(super) mod names;
pub(super) mod states;

pub use fence::{Keep, Keeping, NotKept, Standing};
