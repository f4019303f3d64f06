//! What a person told the server to know of columns: histograms (MySQL) and statistics that are kept (MariaDB).
//!
//! Only reads. They are made anew where the rows are: a restore gives the same statement that made them.

use std::collections::BTreeMap;

use super::super::EngineError;
use super::connect::{Session, quote};
use crate::archive::manifest::LeftOut;

/// Where MariaDB keeps statistics.
const TABLES: [&str; 3] = ["table_stats", "column_stats", "index_stats"];

/// The statements that make them.
pub(super) async fn read(session: &mut Session) -> Result<Vec<String>, EngineError> {
    if session.version.is_mariadb() { kept(session).await } else { histograms(session).await }
}

async fn histograms(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let sql = "SELECT TABLE_NAME, COLUMN_NAME, CAST(HISTOGRAM->'$.\"number-of-buckets-specified\"' AS CHAR), \
               COALESCE(CAST(HISTOGRAM->'$.\"auto-update\"' AS CHAR), 'false') FROM information_schema.COLUMN_STATISTICS \
               WHERE CAST(SCHEMA_NAME AS BINARY) = CAST(DATABASE() AS BINARY) ORDER BY TABLE_NAME, COLUMN_NAME";
    let row = |row: Vec<Option<String>>| {
        let [table, column, buckets, auto] = <[Option<String>; 4]>::try_from(row).ok()?;
        let (since, auto) = if auto? == "true" { ("80400", " AUTO UPDATE") } else { ("80002", "") };
        let (table, column, buckets) = (quote(&table?), quote(&column?), buckets?);
        Some(format!("/*!{since} ANALYZE TABLE {table} UPDATE HISTOGRAM ON {column} WITH {buckets} BUCKETS{auto} */"))
    };
    let rows = session.texts("list the histograms", sql).await?;
    Ok(rows.into_iter().filter_map(row).collect())
}

async fn kept(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let is_here = "CAST(db_name AS BINARY) = CAST(DATABASE() AS BINARY)";
    let sql = format!(
        "SELECT table_name, column_name, '' FROM mysql.column_stats WHERE {is_here} \
         UNION SELECT DISTINCT table_name, '', index_name FROM mysql.index_stats WHERE {is_here} \
         UNION SELECT table_name, '', '' FROM mysql.table_stats WHERE {is_here} ORDER BY 1, 2, 3"
    );
    let rows = match session.texts("list the statistics that are kept", &sql).await {
        Ok(rows) => rows,
        // Who may not see them does not know of any: that is said by `unseen`.
        Err(EngineError::Privilege { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut tables: BTreeMap<String, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for row in rows {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let (table, column, index) = (next(), next(), next());
        let (columns, indexes) = tables.entry(table).or_default();
        columns.extend((!column.is_empty()).then(|| quote(&column)));
        indexes.extend((!index.is_empty()).then(|| if index == "PRIMARY" { index } else { quote(&index) }));
    }
    let statement = |(table, (columns, indexes)): (String, (Vec<String>, Vec<String>))| {
        let (table, columns, indexes) = (quote(&table), columns.join(", "), indexes.join(", "));
        format!("ANALYZE TABLE {table} PERSISTENT FOR COLUMNS ({columns}) INDEXES ({indexes})")
    };
    Ok(tables.into_iter().map(statement).collect())
}

/// Statistics that there may be and that are not shown to this account: MariaDB keeps them in tables of its own.
pub(super) async fn unseen(session: &mut Session) -> Result<Option<LeftOut>, EngineError> {
    if !session.version.is_mariadb() {
        return Ok(None);
    }
    let look = TABLES.map(|table| format!("(SELECT 1 FROM mysql.{table} LIMIT 0)")).join(" UNION ALL ");
    match session.texts("look for statistics that are kept", &look).await {
        Ok(_) => return Ok(None),
        Err(EngineError::Privilege { .. }) => {}
        Err(error) => return Err(error),
    }
    let grantee = session.place().grantee();
    let grants = TABLES.map(|table| format!("GRANT SELECT ON mysql.{table} TO {grantee};")).join(" ");
    Ok(Some(LeftOut {
        what: "kept statistics of columns and indexes, if there are any".to_owned(),
        why: format!(
            "this account is not shown them; {grants} or collect them again after a restore: ANALYZE TABLE … PERSISTENT FOR ALL;"
        ),
    }))
}

/// Whether a statement of an archive makes some.
pub(super) fn is_one(sql: &str) -> bool {
    sql.starts_with("ANALYZE TABLE ") || (sql.starts_with("/*!8") && sql.contains(" ANALYZE TABLE "))
}
