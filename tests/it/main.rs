//! One binary for all integration tests, so that it links once. A file that is not listed here fails `tidy`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test may stop at what it did not expect, and drives real programs"
)]

mod support;

mod alarms;
mod archive;
mod borders;
mod cli;
mod control;
mod crash;
mod daemon;
mod docs;
mod drill;
mod durable;
mod errors;
mod extract;
mod files;
mod first_archive;
mod flyway;
mod full_disk;
mod histories;
mod identity;
mod judged;
mod lost_journal;
mod memory;
mod migrate_asked;
mod migrate_commands;
mod migrate_mysql;
mod migrate_postgres;
mod migrate_sqlite;
mod monitoring;
mod mysql_backup;
mod mysql_cluster;
mod mysql_computed;
mod mysql_definers;
mod mysql_events;
mod mysql_fence;
mod mysql_foreign;
mod mysql_grants;
mod mysql_hidden;
mod mysql_kinds;
mod mysql_locks;
mod mysql_lost;
mod mysql_names;
mod mysql_objects;
mod mysql_restore;
mod mysql_settings;
mod mysql_texts;
mod mysql_traps;
mod mysql_views;
mod mysql_wide;
mod new_host;
mod offsite;
mod openmetadata;
mod page;
mod postgres_backup;
mod postgres_catalogue;
mod postgres_fence;
mod postgres_kinds;
mod postgres_left_out;
mod postgres_order;
mod postgres_restore;
mod postgres_sessions;
mod postgres_traps;
mod privileges;
mod promise;
mod random;
mod readback;
mod recovery_note;
mod rehearse;
mod replaced;
mod restore;
mod service;
mod splitter;
mod sqlite_backup;
mod sqlite_borders;
mod status_truth;
mod story;
mod tidy;
mod tls;
mod transfers;
mod unasked;
mod unfinished;
mod upgrade;
mod way_back;
mod without_rows;
