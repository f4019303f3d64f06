//! Two MariaDB servers that are one Galera cluster, on this machine's loopback.

use std::net::TcpListener;

use super::{Server, Which, missing, program};

/// Galera's library, which Debian installs with its MariaDB.
const LIBRARY: &str = "/usr/lib/galera/libgalera_smm.so";

/// Two nodes of one cluster, for the test that asks.
pub(crate) fn galera() -> Option<[Server; 2]> {
    let program =
        program(Which::MariaDb).filter(|program| std::path::Path::new(&format!("{}{LIBRARY}", program.root)).exists());
    let program = program.or_else(|| missing(Which::MariaDb))?;
    // Held until all are chosen, so that no two are the same, and no longer.
    let held: Vec<TcpListener> = (0..4).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> = held.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    drop(held);
    let mut nodes = [0, 1].map(|_| Server::installed(Which::MariaDb, program.clone(), &[]));
    let members = ["gcomm://".to_owned(), format!("gcomm://127.0.0.1:{}", ports[0])];
    for ((node, address), ports) in nodes.iter_mut().zip(members).zip(ports.chunks(2)) {
        let (group, increments) = (ports[0], ports[1]);
        node.options = vec![
            "--wsrep-on=ON".to_owned(),
            format!("--wsrep-provider={LIBRARY}"),
            format!("--wsrep-cluster-address={address}"),
            format!("--wsrep-node-address=127.0.0.1:{group}"),
            "--wsrep-sst-method=skip".to_owned(),
            "--innodb-autoinc-lock-mode=2".to_owned(),
            format!(
                "--wsrep-provider-options=base_port={group};gmcast.listen_addr=tcp://127.0.0.1:{group};\
                 ist.recv_addr=127.0.0.1:{increments};gcache.size=8M"
            ),
        ];
    }
    let [first, second] = &nodes;
    first.begin();
    // What both were installed with is the same, so the second is where the first began, and needs no copy of it.
    let said = |name: &str| {
        let row = first.sql("", &format!("SHOW GLOBAL STATUS LIKE '{name}'"));
        row.split_whitespace().last().unwrap_or_default().to_owned()
    };
    let state = format!(
        "# GALERA saved state\nversion: 2.1\nuuid: {}\nseqno: {}\nsafe_to_bootstrap: 0\n",
        said("wsrep_cluster_state_uuid"),
        said("wsrep_last_committed")
    );
    std::fs::write(second.socket.parent().unwrap().join("data/grastate.dat"), state).unwrap();
    super::give("mysql", &second.program.root, &second.seen);
    second.begin();
    super::wait_until_ready("the second node", || second.try_sql("", "CREATE DATABASE joined"));
    Some(nodes)
}
