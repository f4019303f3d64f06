//! The kinds of objects that whoever empties a database where it stands has to know, apart from relations: one table for what drops them
//! (`in_place/drops`) and for what asks beforehand whether the role may (`strangers`).
//!
//! Pure. Kinds that are dropped by more than a name (functions, operators, types, casts, transforms) are asked for where they are dropped.

/// The first number of what was not made with the cluster.
const FIRST_OWN: u32 = 16384;

/// A kind that is dropped by its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// As `DROP` names it.
    pub(super) keyword: &'static str,
    /// Where the server keeps it.
    pub(super) catalogue: &'static str,
    /// The column of its name.
    pub(super) name: &'static str,
    /// The column of its schema; none of what is the whole database's.
    pub(super) schema: Option<&'static str>,
    /// The column of its owner, who may drop it and make it again; none where only a superuser makes one.
    pub(super) owner: Option<&'static str>,
}

impl Kind {
    /// What it is called in a message.
    pub(super) fn noun(&self) -> String {
        self.keyword.to_lowercase()
    }
}

const fn kind(
    keyword: &'static str,
    catalogue: &'static str,
    name: &'static str,
    schema: Option<&'static str>,
    owner: Option<&'static str>,
) -> Kind {
    Kind { keyword, catalogue, name, schema, owner }
}

/// Of the whole database, and fired at or told of every change: they go first.
pub(super) const WATCHING: [Kind; 2] = [
    kind("EVENT TRIGGER", "pg_event_trigger", "evtname", None, None),
    kind("PUBLICATION", "pg_publication", "pubname", None, Some("pubowner")),
];

/// Of the whole database, and needed by others: they go last.
pub(super) const GLOBAL: [Kind; 4] = [
    kind("SERVER", "pg_foreign_server", "srvname", None, Some("srvowner")),
    kind("FOREIGN DATA WRAPPER", "pg_foreign_data_wrapper", "fdwname", None, None),
    kind("LANGUAGE", "pg_language", "lanname", None, None),
    kind("ACCESS METHOD", "pg_am", "amname", None, None),
];

/// In a schema.
pub(super) const NAMED: [Kind; 7] = [
    kind("TEXT SEARCH CONFIGURATION", "pg_ts_config", "cfgname", Some("cfgnamespace"), Some("cfgowner")),
    kind("TEXT SEARCH DICTIONARY", "pg_ts_dict", "dictname", Some("dictnamespace"), Some("dictowner")),
    kind("TEXT SEARCH TEMPLATE", "pg_ts_template", "tmplname", Some("tmplnamespace"), None),
    kind("TEXT SEARCH PARSER", "pg_ts_parser", "prsname", Some("prsnamespace"), None),
    kind("CONVERSION", "pg_conversion", "conname", Some("connamespace"), Some("conowner")),
    kind("COLLATION", "pg_collation", "collname", Some("collnamespace"), Some("collowner")),
    kind("STATISTICS", "pg_statistic_ext", "stxname", Some("stxnamespace"), Some("stxowner")),
];

/// That an object `o` of a catalogue is nobody else's part: no extension's, and not made with another object.
pub(super) fn own(catalogue: &str) -> String {
    format!(
        "o.oid >= {FIRST_OWN} AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.{catalogue}'::pg_catalog.regclass \
         AND e.objid = o.oid AND e.deptype IN ('e', 'i'))"
    )
}
