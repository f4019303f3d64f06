//! Which server it is: by the moment it was started, to the microsecond, and where it listens; and for longer by its cluster's number.

use super::super::EngineError;
use super::super::identity::Identity;
use super::Postgres;
use super::connect::Place;

impl Postgres {
    pub(in super::super) async fn identity(&self) -> Result<Identity, EngineError> {
        let place = Place::of(&self.database)?;
        let mut session = match place.connect_if_exists().await? {
            Some(session) => session,
            None => place.connect_to_maintenance().await?,
        };
        let doing = "ask which server it is";
        // A copy of a cluster has its number; no two servers were started in one microsecond on one port.
        let started = "SELECT pg_catalog.concat_ws('|', pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()), \
                       pg_catalog.current_setting('port'))";
        let started = session.text(doing, started).await?.unwrap_or_default();
        let number = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()";
        let number = match session.text(doing, number).await {
            Ok(number) => number.unwrap_or_default(),
            // Somebody took the function from everybody.
            Err(EngineError::Privilege { .. }) => String::new(),
            Err(error) => return Err(error),
        };
        session.close().await;
        // Names are told apart by letter case, and a name is one database of a server.
        let name = &place.database;
        Ok(Identity::new([format!("{started} {name}")], format!("postgresql {number} {name}")))
    }
}
