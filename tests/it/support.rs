//! What the tests share: real servers, scratch places, bounded waits.

pub(crate) mod certificates;
pub(crate) mod daemon;
pub(crate) mod engines;
pub(crate) mod env;
pub(crate) mod flyway;
pub(crate) mod held;
pub(crate) mod moto;
pub(crate) mod mysql;
pub(crate) mod openmetadata;
pub(crate) mod pooler;
pub(crate) mod postgres;
pub(crate) mod relay;
pub(crate) mod scripts;
pub(crate) mod servers;
pub(crate) mod skip;
pub(crate) mod sshd;
pub(crate) mod tap;
pub(crate) mod targets;
pub(crate) mod upkeep;
pub(crate) mod wait;
pub(crate) mod world;
pub(crate) mod writer;

pub(crate) use skip::{ROOT, SERVERS, skipped};
