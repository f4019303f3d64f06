//! Whether an error says that a connection is gone, for whoever holds connections of his own to a database of any engine.

/// Whether the connection is gone: the server went down, it ended the session, or the network broke. What was asked is not answered by it,
/// and may be asked again. What came garbled is none of these.
pub(crate) fn is_lost(error: &sqlx::Error) -> bool {
    match error.as_database_error() {
        Some(said) => {
            // PostgreSQL's classes of a broken connection and of a server that goes down.
            let ends = said.code().is_some_and(|code| code.len() == 5 && (code.starts_with("08") || code.starts_with("57P")));
            ends || super::mysql::is_lost(error)
        }
        None => matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
        ),
    }
}
