//! The control socket: HTTP/1.1 and JSON over a Unix socket, for `curl`, for our own command line, and
//! for people with a browser.
//!
//! Owns the server and the client; what they say is `wire`. Never decides
//! anything: a request becomes an [`crate::wire::Action`] for the daemon, an answer is a ready snapshot.

pub mod board;
pub mod client;
pub mod convert;
mod into;
mod lanes;
mod limits;
pub mod metrics;
mod origin;
mod page;
pub mod peers;
pub mod routes;
pub mod server;
pub mod socket;
pub mod web;
