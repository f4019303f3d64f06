//! Clusters in which several servers take writes to one database: Galera, and MySQL's group replication in its multi-primary mode.
//!
//! Owns what such a cluster is called and whether others are in it. Locks and sessions are one server's own, so whatever keeps others out
//! of a database here keeps nobody out on another node. Held by `tests/it/mysql_cluster.rs`.

use super::super::EngineError;
use super::connect::Session;

/// A cluster that the server is a member of, and in which others take writes too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cluster {
    /// The same on each of its nodes, and on no server outside: a copy of a node's files has the cluster's id, but other nodes.
    pub(super) id: String,
    /// What it is, and where its nodes are as far as the server says so.
    nodes: String,
}

/// The cluster, where the server is in one beside others that take writes.
pub(super) async fn of(session: &mut Session) -> Result<Option<Cluster>, EngineError> {
    match galera(session).await? {
        Some(cluster) => Ok(Some(cluster)),
        None if session.version.is_mariadb() => Ok(None),
        None => group(session).await,
    }
}

/// Refuses what only a lock that is seen on every node would make safe.
pub(super) async fn demand_alone(session: &mut Session) -> Result<(), EngineError> {
    match of(session).await? {
        None => Ok(()),
        Some(cluster) => Err(EngineError::Cluster { location: session.place().location(), nodes: cluster.nodes }),
    }
}

/// The value of a variable or status in what SHOW lists; empty where it is not there.
fn value_of(rows: &[Vec<Option<String>>], name: &str) -> String {
    let row = rows.iter().find(|row| matches!(row.first(), Some(Some(found)) if found.eq_ignore_ascii_case(name)));
    row.and_then(|row| row.get(1).cloned().flatten()).unwrap_or_default()
}

/// MariaDB's own, and that of what is built on MySQL. Status, for it says what is and not what was configured; everybody may read it.
async fn galera(session: &mut Session) -> Result<Option<Cluster>, EngineError> {
    let sql = "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_size', 'wsrep_cluster_state_uuid', 'wsrep_incoming_addresses')";
    let rows = session.texts("ask whether it is a node of a cluster", sql).await?;
    let said = |name: &str| value_of(&rows, name);
    let size = said("wsrep_cluster_size").parse::<u64>().unwrap_or(0);
    if size < 2 {
        return Ok(None);
    }
    let mut addresses: Vec<_> = said("wsrep_incoming_addresses").split(',').map(str::to_owned).collect();
    addresses.sort();
    let addresses = addresses.join(", ");
    Ok(Some(Cluster {
        id: format!("galera {} {addresses}", said("wsrep_cluster_state_uuid")),
        nodes: format!("a Galera cluster of {size} nodes ({addresses})"),
    }))
}

/// With a single primary the others are read-only, which is found where a server is asked whether it can be written to.
async fn group(session: &mut Session) -> Result<Option<Cluster>, EngineError> {
    let doing = "ask whether it is a member of a group";
    let sql = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('group_replication_group_name', 'group_replication_single_primary_mode')";
    let rows = session.texts(doing, sql).await?;
    let said = |name: &str| value_of(&rows, name);
    let name = said("group_replication_group_name");
    if name.is_empty() || said("group_replication_single_primary_mode").eq_ignore_ascii_case("ON") {
        return Ok(None);
    }
    let sql = "SELECT CONCAT(MEMBER_HOST, ':', MEMBER_PORT) FROM performance_schema.replication_group_members \
        WHERE MEMBER_STATE IN ('ONLINE', 'RECOVERING', 'UNREACHABLE') ORDER BY 1";
    let nodes = match session.texts(doing, sql).await {
        Ok(rows) if rows.len() < 2 => return Ok(None),
        Ok(rows) => {
            let members: Vec<String> = rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
            format!("a multi-primary group of {} members ({})", members.len(), members.join(", "))
        }
        // Who may not see the members is told the worst: what it is configured for.
        Err(EngineError::Privilege { .. } | EngineError::Sql { .. }) => {
            "a multi-primary group, whose members this account may not see".to_owned()
        }
        Err(error) => return Err(error),
    };
    Ok(Some(Cluster { id: format!("group {name}"), nodes }))
}
