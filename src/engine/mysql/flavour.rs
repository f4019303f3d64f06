//! Which server it is, and everything in which the two and their releases differ.
//!
//! Pure. The one place that knows what MySQL 8.0, 8.4, 9.x and MariaDB 10.6 to 11.x say differently: whoever needs to know
//! asks a method here, nobody else compares versions. The server says what it is, never a program on the host.

/// The oldest releases spoken to.
const OLDEST: [(Flavour, Release); 2] = [(Flavour::MySql, Release(8, 0, 13)), (Flavour::MariaDb, Release(10, 6, 0))];

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Oracle's, and what is built from it (Percona Server).
    MySql,
    /// MariaDB.
    MariaDb,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Release(u32, u32, u32);

/// A server's flavour and release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// Which of the two.
    pub(super) flavour: Flavour,
    release: Release,
    /// The version as the server prints it, without build words (`10.11.19`).
    pub(super) text: String,
}

impl Version {
    /// Reads `VERSION()` and `@@version_comment`. `None` for a server that is neither, or whose version is no version.
    pub(super) fn of(version: &str, comment: &str) -> Option<Self> {
        // Behind some proxies MariaDB calls itself 5.5.5-10.x for the sake of old replicas.
        let version = version.strip_prefix("5.5.5-").unwrap_or(version);
        let maria = [version, comment].iter().any(|text| text.to_ascii_lowercase().contains("mariadb"));
        let text: String = version.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let mut numbers = text.split('.').map(str::parse::<u32>);
        let mut next = || numbers.next().and_then(Result::ok);
        let release = Release(next()?, next()?, next().unwrap_or(0));
        Some(Self { flavour: if maria { Flavour::MariaDb } else { Flavour::MySql }, release, text })
    }

    /// Whether it is one we speak to; else the oldest of its kind that is.
    pub(super) fn demand_supported(&self) -> Result<(), String> {
        let oldest = OLDEST.iter().find(|(flavour, _)| *flavour == self.flavour).map(|(_, release)| *release);
        match oldest {
            Some(Release(major, minor, _)) if oldest > Some(self.release) => Err(format!("{major}.{minor}")),
            _ => Ok(()),
        }
    }

    /// As the manifest has it.
    pub(super) fn name(&self) -> &'static str {
        match self.flavour {
            Flavour::MySql => "mysql",
            Flavour::MariaDb => "mariadb",
        }
    }

    pub(super) fn is_mariadb(&self) -> bool {
        self.flavour == Flavour::MariaDb
    }

    fn mysql(&self, major: u32, minor: u32, patch: u32) -> bool {
        self.flavour == Flavour::MySql && self.release >= Release(major, minor, patch)
    }

    fn mariadb(&self, major: u32, minor: u32, patch: u32) -> bool {
        self.flavour == Flavour::MariaDb && self.release >= Release(major, minor, patch)
    }

    /// Session variables that only this server has, for every session of ours: `name = value`.
    pub(super) fn settings(&self) -> Vec<&'static str> {
        let mut settings = Vec::new();
        if self.is_mariadb() {
            settings.extend([
                "max_statement_time = 0",
                "idle_transaction_timeout = 0",
                "idle_readonly_transaction_timeout = 0",
            ]);
            settings.extend(["idle_write_transaction_timeout = 0", "old_mode = ''"]);
        } else {
            settings.extend(["max_execution_time = 0", "information_schema_stats_expiry = 0"]);
        }
        if self.mysql(8, 0, 30) {
            // Generated invisible primary keys are shown, and none is made where the archive has none.
            settings.push("show_gipk_in_create_table_and_information_schema = ON");
        }
        settings
    }

    /// Session settings under which a load makes what its source has, though the server would not have it made today. Whoever may not
    /// set one loads without it.
    pub(super) fn leniencies(&self) -> &'static [&'static str] {
        if self.is_mariadb() {
            &["innodb_strict_mode = OFF", "check_constraint_checks = OFF"]
        } else if self.mysql(8, 4, 0) {
            &["innodb_strict_mode = OFF", "sql_require_primary_key = OFF", "restrict_fk_on_non_standard_key = OFF"]
        } else if self.mysql(8, 0, 13) {
            &["innodb_strict_mode = OFF", "sql_require_primary_key = OFF"]
        } else {
            &["innodb_strict_mode = OFF"]
        }
    }

    /// The privileges for which a server that is `read_only` makes an exception.
    pub(super) fn past_read_only(&self) -> &'static [&'static str] {
        if self.mariadb(10, 11, 0) {
            &["READ_ONLY ADMIN"]
        } else if self.is_mariadb() {
            &["READ_ONLY ADMIN", "SUPER"]
        } else {
            &["CONNECTION_ADMIN", "SUPER"]
        }
    }

    /// Whether a database may have its new tables encrypted.
    pub(super) fn encrypts_databases(&self) -> bool {
        self.mysql(8, 0, 16)
    }

    /// What asks for the binary log's position.
    pub(super) fn binlog_status(&self) -> &'static str {
        if self.mysql(8, 2, 0) {
            "SHOW BINARY LOG STATUS"
        } else if self.is_mariadb() {
            "SHOW BINLOG STATUS"
        } else {
            "SHOW MASTER STATUS"
        }
    }

    /// The privilege that [`Version::binlog_status`] asks for.
    pub(super) fn binlog_privilege(&self) -> &'static str {
        if self.is_mariadb() { "BINLOG MONITOR" } else { "REPLICATION CLIENT" }
    }

    /// What reads the GTIDs executed: an expression.
    pub(super) fn gtid_position(&self) -> &'static str {
        if self.is_mariadb() { "@@GLOBAL.gtid_binlog_pos" } else { "@@GLOBAL.gtid_executed" }
    }

    /// Locks out schema changes for as long as the session lives, and asks nothing else of anybody; where there is such a lock.
    pub(super) fn instance_lock(&self) -> Option<&'static str> {
        (!self.is_mariadb()).then_some("LOCK INSTANCE FOR BACKUP")
    }

    /// The statements of `BACKUP STAGE` up to where commits wait: nothing else waits for us then, and no reader is held up.
    pub(super) fn backup_stages(&self) -> Option<[&'static str; 4]> {
        self.is_mariadb().then_some([
            "BACKUP STAGE START",
            "BACKUP STAGE FLUSH",
            "BACKUP STAGE BLOCK_DDL",
            "BACKUP STAGE BLOCK_COMMIT",
        ])
    }

    /// Whether it can be asked for a table's definition without its second engine.
    pub(super) fn leaves_out_second_engine(&self) -> bool {
        self.mysql(8, 0, 18)
    }

    /// Whether a database may be read-only by an option of its own.
    pub(super) fn has_schema_options(&self) -> bool {
        self.mysql(8, 0, 22)
    }

    /// Whether there are sequences, packages and system-versioned tables.
    pub(super) fn has_sequences(&self) -> bool {
        self.is_mariadb()
    }

    /// Whether rows of system-versioned tables can be written with their history.
    pub(super) fn inserts_history(&self) -> bool {
        self.mariadb(10, 11, 0)
    }

    /// The type an expression is cast to for a vector to be sent as plain bytes; MariaDB sends them so by itself.
    pub(super) fn vector_as_bytes(&self, quoted: &str) -> String {
        if self.is_mariadb() { quoted.to_owned() } else { format!("CAST({quoted} AS BINARY)") }
    }

    /// What lists the libraries of the chosen database, each as `LIBRARY` and its name; where there are libraries.
    pub(super) fn libraries(&self) -> Option<&'static str> {
        self.mysql(9, 2, 0).then_some(
            "SELECT 'LIBRARY', LIBRARY_NAME FROM information_schema.LIBRARIES \
             WHERE CAST(LIBRARY_SCHEMA AS BINARY) = CAST(DATABASE() AS BINARY)",
        )
    }

    /// What asks whether the names of databases in grants are no patterns; `None` where they always are.
    pub(super) fn takes_grants_literally(&self) -> Option<&'static str> {
        self.mysql(8, 0, 16).then_some("SELECT @@GLOBAL.partial_revokes")
    }

    /// Whether the privilege to see every routine is one of its own, and its name.
    pub(super) fn routine_privilege(&self) -> Option<&'static str> {
        if self.mysql(8, 0, 20) {
            Some("SHOW_ROUTINE")
        } else if self.mariadb(11, 3, 0) {
            Some("SHOW CREATE ROUTINE")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
