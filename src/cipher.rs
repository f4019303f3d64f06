//! Encryption of copies, in the format of `age`: to whom, by whom, and the bytes in between.
//!
//! Owns which kinds of keys are taken. Keeps nothing: a recipient is a public key of the configuration, and an identity comes with one piece
//! of work from the person who asks for it and goes with it. Invariants: what is written is opened by stock `age`; what is read was
//! authenticated, chunk by chunk. Who wrote it nobody can tell from it: that is the matter of whoever knows its digest. Held by the tests
//! beside this file and by `tests/it/offsite/encrypted.rs`.

mod decrypted;
mod encrypted;
mod identity;
mod recipient;

pub use decrypted::{Decrypted, OpenError};
pub use encrypted::Encrypted;
pub use identity::Identity;
pub use recipient::{MOST as MOST_RECIPIENTS, Recipient};

#[cfg(test)]
mod tests;
