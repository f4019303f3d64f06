//! The accounts that a database needs, with what they may do in it, as SQL for a server that lacks them; without secrets.
//!
//! Needed are whoever has a privilege on the database or something in it, and the definers of what is in it. Each is made locked, for without
//! its password it would be open to everybody. Only reads. Held by `tests/it/new_host.rs`.

use std::collections::BTreeSet;

use super::super::EngineError;
use super::connect::{Session, literal, quote};
use super::plain::without_quoted;
use super::privileges::is_like;
use crate::text;

/// Who may do what, by the database's name or pattern.
const GRANTEES: &str = "SELECT DISTINCT User, Host, Db, '1' FROM mysql.db \
    UNION SELECT DISTINCT User, Host, Db, '0' FROM mysql.tables_priv UNION SELECT DISTINCT User, Host, Db, '0' FROM mysql.procs_priv";

/// An account, or one of MariaDB's roles, which have no host.
type Account = (String, String);

/// The statements, with what a person has to do beside them; nothing where no account is needed.
pub(super) async fn read(session: &mut Session, definers: &[String]) -> Result<Vec<String>, EngineError> {
    let doing = "read the accounts that the database needs";
    let database = session.place().database.clone();
    let rows = match session.texts(doing, GRANTEES).await {
        Ok(rows) => rows,
        Err(error @ EngineError::Lost { .. }) => return Err(error),
        // An archive is worth more than this.
        Err(_) => return Ok(unseen(session, definers)),
    };
    let mut open: Vec<Account> = Vec::new();
    for row in rows {
        let [Some(user), Some(host), Some(db), Some(pattern)] = row.as_slice() else { continue };
        if db == &database || (pattern == "1" && is_like(db, &database)) {
            open.push((user.clone(), host.clone()));
        }
    }
    open.extend(definers.iter().filter_map(|definer| account_of(definer)));
    let (mut seen, mut made, mut gives) = (BTreeSet::new(), Vec::new(), Vec::new());
    while let Some(account) = open.pop() {
        // The servers' own, which every one has; and what MariaDB gives to everybody, which no account is.
        let own =
            account.0.starts_with("mysql.") || account.0 == "mariadb.sys" || account.0 == "PUBLIC" || account.0.is_empty();
        if own || !seen.insert(account.clone()) {
            continue;
        }
        let Some(lines) = grants_of(session, &account).await? else {
            made.push(format!("-- {} is named and was no account of the server", shown(&account)));
            continue;
        };
        make(&mut made, &account);
        for line in lines {
            match about(&line, &database) {
                About::Here => gives.push(format!("{line};")),
                About::Role(role) => {
                    open.extend(account_of(&role));
                    gives.push(format!("{line};"));
                }
                About::All(privileges) => made.push(format!(
                    "-- {} had privileges on all databases; give it what it needs of: {}",
                    shown(&account),
                    text::line(&privileges)
                )),
                About::Other => {}
            }
        }
    }
    made.extend(gives);
    Ok(made)
}

/// Makes an account, locked; one that is there stays as it is.
fn make(out: &mut Vec<String>, account: &Account) {
    let name = written(account);
    if account.1.is_empty() {
        out.push(format!("CREATE ROLE IF NOT EXISTS {name};"));
        return;
    }
    out.push(format!("CREATE USER IF NOT EXISTS {name} ACCOUNT LOCK;"));
    out.push(format!("-- {}: set its password and unlock it: ALTER USER … IDENTIFIED BY '…' ACCOUNT UNLOCK", shown(account)));
}

/// What is told by an account that may not see who may do what.
fn unseen(session: &Session, definers: &[String]) -> Vec<String> {
    let grantee = session.place().grantee();
    let why = format!(
        "-- who may use the database is not known: upkeep's account may not see it (GRANT SELECT ON mysql.* TO {grantee};)"
    );
    let mut out = vec![text::line(&why).into_owned()];
    definers.iter().filter_map(|definer| account_of(definer)).for_each(|account| make(&mut out, &account));
    out
}

/// The lines of `SHOW GRANTS`; none where there is no such account.
async fn grants_of(session: &mut Session, account: &Account) -> Result<Option<Vec<String>>, EngineError> {
    let name = written(account);
    match session.texts("read the grants of an account", &format!("SHOW GRANTS FOR {name}")).await {
        Ok(rows) => Ok(Some(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())),
        Err(error @ EngineError::Lost { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// What a line of `SHOW GRANTS` is about.
#[derive(Debug, PartialEq, Eq)]
enum About {
    /// This database, or something in it.
    Here,
    /// A role that is given.
    Role(String),
    /// All databases, with the privileges.
    All(String),
    /// Something else.
    Other,
}

fn about(line: &str, database: &str) -> About {
    let Some(rest) = line.strip_prefix("GRANT ") else { return About::Other };
    if rest.starts_with('`') {
        // A role; several are named with commas between them by no server.
        return split_at(rest, " TO ").map_or(About::Other, |(role, _)| About::Role(role.to_owned()));
    }
    let Some((privileges, object)) = split_at(rest, " ON ") else { return About::Other };
    if object.starts_with("*.*") {
        // What is behind it may be a password's hash.
        return if privileges == "USAGE" { About::Other } else { About::All(privileges.to_owned()) };
    }
    let object = ["PROCEDURE ", "FUNCTION ", "PACKAGE BODY ", "PACKAGE "]
        .iter()
        .fold(object, |object, word| object.trim_start_matches(word));
    let named = super::definer::quoted_length(object).map(|length| (&object[1..length - 1], &object[length..]));
    match named {
        Some((name, behind)) if behind.starts_with('.') => {
            let name = name.replace("``", "`");
            if name == database || (behind.starts_with(".*") && is_like(&name, database)) { About::Here } else { About::Other }
        }
        _ => About::Other,
    }
}

/// What stands before and behind a word that is in no quotes: a column may be called like it.
fn split_at<'a>(line: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let at = without_quoted(line).find(word)?;
    Some((&line[..at], &line[at + word.len()..]))
}

/// An account as a statement has it.
fn written((user, host): &Account) -> String {
    if host.is_empty() { quote(user) } else { format!("{}@{}", literal(user), literal(host)) }
}

/// An account in a remark.
fn shown(account: &Account) -> String {
    text::line(&written(account)).into_owned()
}

/// The account that stands somewhere as `user`@`host`, in any quotes.
fn account_of(written: &str) -> Option<Account> {
    let user = super::definer::quoted_length(written)?;
    let unquoted = |text: &str| {
        let quote = &text[..1];
        text[1..text.len() - 1].replace(&quote.repeat(2), quote)
    };
    let host = written[user..].strip_prefix('@').and_then(|host| Some(unquoted(&host[..super::definer::quoted_length(host)?])));
    Some((unquoted(&written[..user]), host.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_grants_is_told_by_what_it_is_on_and_no_hash_gets_out() {
        for (line, found) in [
            ("GRANT SELECT, INSERT ON `shop`.* TO `app`@`%`", About::Here),
            ("GRANT SELECT ON `sh\\_p`.* TO `app`@`%`", About::Other),
            ("GRANT SELECT ON `sh%`.* TO `app`@`%`", About::Here),
            ("GRANT SELECT (`a`) ON `shop`.`t` TO `app`@`%`", About::Here),
            ("GRANT SELECT (`on ON `, `b`) ON `shop`.`t` TO `app`@`%`", About::Here),
            ("GRANT `a TO b`@`%` TO `app`@`%`", About::Role("`a TO b`@`%`".to_owned())),
            ("GRANT EXECUTE ON PROCEDURE `shop`.`p` TO `app`@`%`", About::Here),
            ("GRANT SELECT ON `other`.`shop` TO `app`@`%`", About::Other),
            ("GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*AB'", About::Other),
            ("GRANT RELOAD, FILE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*AB'", About::All("RELOAD, FILE".to_owned())),
            ("GRANT `readers`@`%` TO `app`@`%`", About::Role("`readers`@`%`".to_owned())),
            ("SET DEFAULT ROLE `readers` FOR `app`@`%`", About::Other),
        ] {
            assert_eq!(about(line, "shop"), found, "{line}");
        }
    }

    #[test]
    fn an_account_is_read_in_any_quotes() {
        let account = |user: &str, host: &str| Some((user.to_owned(), host.to_owned()));
        assert_eq!(account_of("`gh``ost`@`%`"), account("gh`ost", "%"));
        assert_eq!(account_of("'it''s'@'10.%'"), account("it's", "10.%"));
        assert_eq!(account_of("`readers`"), account("readers", ""));
        assert_eq!(account_of("CURRENT_USER"), None);
    }
}
