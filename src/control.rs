//! The control socket: HTTP/1.1 and JSON over a Unix socket, for `curl` and for our own command line.
//!
//! Owns the wire types (`api`, documented in `docs/api.md` with golden files), the server and the client. Never decides
//! anything: a request becomes an [`crate::actions::Action`] for the daemon, an answer is a ready snapshot.

pub mod api;
pub mod board;
pub mod client;
pub mod convert;
pub mod metrics;
pub mod peers;
pub mod routes;
pub mod server;
pub mod socket;
