//! Which server it is: MySQL knows by an UUID of its own, MariaDB by where it runs; a lock that both ends see is proof for either. A cluster
//! has a database once, whichever of its nodes is asked.

use super::super::EngineError;
use super::super::identity::Identity;
use super::connect::{Place, literal};
use super::{MySql, cluster};

impl MySql {
    pub(in super::super) async fn identity(&self) -> Result<Identity, EngineError> {
        let place = Place::of(&self.database)?;
        let mut session = place.connect_to_server().await?;
        let doing = "ask which server it is";
        // Global, and fixed while the server runs: whichever way one came. MariaDB's `server_uid` is of the machine's network card.
        let here = session
            .text(doing, "SELECT CONCAT_WS('|', @@hostname, @@port, @@datadir, @@socket, @@pid_file)")
            .await?
            .unwrap_or_default();
        let uuid = match session.version.is_mariadb() {
            true => String::new(),
            false => session.text(doing, "SELECT @@server_uuid").await?.unwrap_or_default(),
        };
        let cluster = cluster::of(&mut session).await?;
        let folds = session.number("ask how names are kept", "SELECT @@lower_case_table_names").await? != 0;
        session.close().await;
        let name = if folds { place.database.to_lowercase() } else { place.database.clone() };
        let lasting = if uuid.is_empty() { format!("mysql {here} {name}") } else { format!("mysql {uuid} {name}") };
        let shared = cluster.map(|cluster| format!("{} {name}", cluster.id));
        Ok(Identity::new([format!("{uuid} {here} {name}")].into_iter().chain(shared), lasting))
    }

    /// Whether a lock taken through the one address is seen through the other, or both are nodes of one cluster, where no lock is.
    pub(in super::super) async fn shares_locks_with(&self, other: &Self) -> Result<bool, EngineError> {
        let (one, two) = (Place::of(&self.database)?, Place::of(&other.database)?);
        let (mut holder, mut looker) = (one.connect_to_server().await?, two.connect_to_server().await?);
        let clusters = (cluster::of(&mut holder).await?, cluster::of(&mut looker).await?);
        if let (Some(one), Some(two)) = clusters
            && one.id == two.id
        {
            holder.close().await;
            looker.close().await;
            return Ok(true);
        }
        let doing = "look whether two addresses are of one server";
        let token = holder.text(doing, "SELECT UUID()").await?.unwrap_or_default();
        let name = literal(&format!("upkeep.is.{token}"));
        let held = holder.number(doing, &format!("SELECT GET_LOCK({name}, 0)")).await? == 1;
        let seen = looker.number(doing, &format!("SELECT IS_USED_LOCK({name}) IS NOT NULL")).await? == 1;
        holder.close().await;
        looker.close().await;
        Ok(held && seen)
    }
}
