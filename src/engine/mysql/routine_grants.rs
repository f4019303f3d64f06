//! Grants on routines, which a server takes back from everybody when the routine is dropped: read before, given again after.
//!
//! Whoever may not read or give them is told each that is lost, as the statement that gives it. Held by `tests/it/mysql_lost.rs`.

use super::super::EngineError;
use super::connect::{Session, quote};
use super::errors::number_of_error;
use super::here;
use crate::failure::Chain;

/// `ER_SP_DOES_NOT_EXIST`.
const NO_SUCH_ROUTINE: u16 = 1305;

/// The statements that give the grants on the session's database's routines again.
pub(super) async fn read(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let sql = "SELECT User, Host, Routine_name, Routine_type, Proc_priv FROM mysql.procs_priv \
               WHERE CAST(Db AS BINARY) = CAST(DATABASE() AS BINARY) ORDER BY User, Host, Routine_type, Routine_name";
    let rows = match session.texts("read the grants on routines", sql).await {
        Ok(rows) => rows,
        Err(EngineError::Privilege { .. }) => return unseen(session).await,
        Err(error) => return Err(error),
    };
    let database = session.place().database.clone();
    let rows = rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>());
    Ok(rows.filter_map(|row| <[String; 5]>::try_from(row).ok()).map(|row| statement(&database, &row)).collect())
}

fn statement(database: &str, [user, host, name, kind, privileges]: &[String; 5]) -> String {
    // MariaDB's roles have no host.
    let grantee = if host.is_empty() { quote(user) } else { format!("{}@{}", quote(user), quote(host)) };
    let words = privileges.split(',').map(str::to_ascii_uppercase);
    let (options, words): (Vec<String>, Vec<String>) = words.partition(|word| word == "GRANT");
    let words = if words.is_empty() { "USAGE".to_owned() } else { words.join(", ") };
    let option = if options.is_empty() { "" } else { " WITH GRANT OPTION" };
    format!("GRANT {words} ON {kind} {}.{} TO {grantee}{option}", quote(database), quote(name))
}

/// What stands for grants that this account is not shown: one that names every routine that may have some.
async fn unseen(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let sql = format!(
        "SELECT GROUP_CONCAT(DISTINCT ROUTINE_NAME ORDER BY ROUTINE_NAME SEPARATOR ', ') FROM information_schema.ROUTINES WHERE {}",
        here::by("ROUTINE_SCHEMA")
    );
    let names = session.text("list the routines", &sql).await?.unwrap_or_default();
    let grantee = session.place().grantee();
    let told = |names: String| {
        format!("{UNSEEN}{names}, which this account is not shown (GRANT SELECT ON mysql.procs_priv TO {grantee};)")
    };
    Ok((!names.is_empty()).then(|| told(names)).into_iter().collect())
}

/// What a note of grants that are not known begins with: no statement.
const UNSEEN: &str = "grants on the routines ";

/// Gives them again; says what could not be given.
pub(super) async fn give(session: &mut Session, statements: &[String]) -> Result<Vec<String>, EngineError> {
    let mut told = Vec::new();
    if session.version.is_mariadb() && !statements.is_empty() {
        // Or else whoever was dropped meanwhile would be an account again, without a password.
        session.run("set up a session", "SET SESSION sql_mode = 'NO_AUTO_CREATE_USER'").await?;
    }
    for sql in statements {
        if let Some(what) = sql.strip_prefix(UNSEEN) {
            told.push(format!("{UNSEEN}{what} are gone with what was replaced: give them again, as an administrator"));
            continue;
        }
        match session.run("give a grant on a routine again", sql).await {
            Ok(()) => {}
            Err(error @ EngineError::Lost { .. }) => return Err(error),
            Err(error) if number_of_error(&error) == Some(NO_SUCH_ROUTINE) => {
                told.push(format!("the archive has no such routine, so this grant is gone: {sql};"));
            }
            Err(error) => told
                .push(format!("a grant on a routine is gone, give it again as an administrator: {sql}; ({})", Chain(&error))),
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_statement() {
        let row = |cells: [&str; 5]| cells.map(str::to_owned);
        assert_eq!(
            statement("my`db", &row(["app", "%", "f", "FUNCTION", "Execute,Alter Routine"])),
            "GRANT EXECUTE, ALTER ROUTINE ON FUNCTION `my``db`.`f` TO `app`@`%`"
        );
        assert_eq!(
            statement("d", &row(["readers", "", "p", "PROCEDURE", "Grant"])),
            "GRANT USAGE ON PROCEDURE `d`.`p` TO `readers` WITH GRANT OPTION"
        );
    }
}
