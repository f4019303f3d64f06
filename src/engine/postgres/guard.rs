//! Statements that need a role or a tablespace of the server's, and what becomes of them where it is missing.
//!
//! Pure. Such a statement stands in a block that does nothing, loudly, where the role is missing: owners and privileges are lost there, and
//! are told. Of a tablespace the default one is taken, and a security label is left out where its provider is not loaded. A policy that takes rows away is never left out: where its role is missing the
//! block is an error. What a block needs is read out of it again ([`needs`]), so that a loader can say it.

use super::connect::literal;
use super::grammar::{Kind, Statement, unquoted};
use super::split::statements_of;

/// The mode in which a role must be another's to hand a thing over to it, wherever the archive is restored: membership alone is not
/// enough since 16. An archive says it itself, for whoever restores it by hand.
const HAND_OVER: &str =
    "CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END";
/// How much of a statement a message shows.
const SHOWN: usize = 120;

/// Something of the server's that an archive names and does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    /// A role, as `quote_ident` spells it.
    Role(String),
    /// That the session may act for a role that is there, spelled the same.
    Acting(String),
    /// A tablespace's name.
    Tablespace(String),
    /// A provider of security labels, which a server loads or does not.
    Labels(String),
}

/// The statement, in a block where it needs one.
pub(super) fn guard(statement: &Statement<'_>) -> String {
    let sql = statement.sql();
    if let Some(name) = statement.default_tablespace().filter(|name| !name.is_empty()) {
        return tablespace(sql, &name);
    }
    let exists = |role: &&str| format!("pg_catalog.to_regrole({}) IS NOT NULL", literal(role));
    let acts = |role: &str| format!("pg_catalog.pg_has_role(pg_catalog.to_regrole({}), 'USAGE')", literal(role));
    if let Some(role) = statement.owner() {
        return block(sql, &may_hand_over(role), &warning(&format!("{role} is missing or not ours to act for")));
    }
    if let Some(name) = statement.commented_extension() {
        // Only the extension's owner may; a trusted extension may belong to somebody else here.
        let ours = format!(
            "(SELECT pg_catalog.pg_has_role(extowner, 'USAGE') FROM pg_catalog.pg_extension WHERE pg_catalog.quote_ident(extname) = {})",
            literal(name)
        );
        return block(sql, &ours, &warning(&format!("{name} belongs to somebody else")));
    }
    if statement.label_provider().is_some() {
        return label(sql);
    }
    let roles = statement.names_roles();
    if roles.is_empty() {
        return sql.to_owned();
    }
    let mut condition = roles.iter().map(exists).collect::<Vec<_>>().join(" AND ");
    for role in statement.roles_acted_for() {
        condition = format!("{} AND {condition}", acts(role));
    }
    if statement.has(0, &["SET", "SESSION", "AUTHORIZATION"]) {
        // Who may not act for the one who gave a privilege gives it himself.
        condition.push_str(" AND (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user)");
    }
    let otherwise = match statement.restrictive_policy() {
        Some((name, table)) => format!(
            "RAISE EXCEPTION USING MESSAGE = {}, HINT = {}",
            literal(&format!(
                "policy {name} on {table} takes rows away, and a role that it names is missing: {}",
                roles.join(", ")
            )),
            literal("create the role first: without the policy its rows would be shown")
        ),
        None if statement.roles_acted_for().is_empty() => warning(&format!("{} is missing", roles.join(", "))),
        None => warning(&format!("{} is missing or not ours to act for", roles.join(", "))),
    };
    block(sql, &condition, &otherwise)
}

/// Whether the session's role may hand a thing over to this one, and go on with it: for that it must have the new owner's privileges.
pub(super) fn may_hand_over(role: &str) -> String {
    let role = literal(role);
    format!(
        "pg_catalog.pg_has_role(pg_catalog.to_regrole({role}), 'USAGE') AND pg_catalog.pg_has_role(pg_catalog.to_regrole({role}), {HAND_OVER})"
    )
}

/// A tablespace that is the database's own must not be named for what is partitioned, and is the default anyway.
fn tablespace(sql: &str, name: &str) -> String {
    let named = literal(name);
    let usable = format!(
        "EXISTS (SELECT FROM pg_catalog.pg_tablespace t JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database() \
         WHERE t.spcname = {named} AND t.oid <> d.dattablespace AND pg_catalog.has_tablespace_privilege(t.oid, 'CREATE'))"
    );
    let own = format!(
        "EXISTS (SELECT FROM pg_catalog.pg_tablespace t JOIN pg_catalog.pg_database d ON d.dattablespace = t.oid \
         WHERE t.spcname = {named} AND d.datname = pg_catalog.current_database())"
    );
    let missing = warning(&format!("tablespace {name} is missing or not ours to use; the default one is taken"));
    let otherwise = format!("SET default_tablespace = ''; IF NOT {own} THEN {missing}; END IF");
    block(sql, &usable, &otherwise)
}

/// Nothing says which providers a server has loaded but the attempt: a label of one that is not there is left out, and is told.
fn label(sql: &str) -> String {
    let tag = tag_for(&[sql]);
    format!(
        "DO {tag}BEGIN IF true THEN\n{sql}\nEND IF; EXCEPTION WHEN invalid_parameter_value THEN RAISE WARNING 'left out: %', SQLERRM; END{tag};"
    )
}

fn warning(what: &str) -> String {
    format!("RAISE WARNING {}", literal(&format!("left out: {what}")).replace('%', "%%"))
}

fn block(sql: &str, condition: &str, otherwise: &str) -> String {
    let tag = tag_for(&[sql, condition, otherwise]);
    format!("DO {tag}BEGIN IF {condition} THEN\n{sql}\nELSE {otherwise}; END IF; END{tag};")
}

/// A dollar quote that stands in none of these.
pub(super) fn tag_for(parts: &[&str]) -> String {
    let tag = (0..).map(|n| format!("$upkeep{n}$")).find(|tag| !parts.iter().any(|part| part.contains(tag.as_str())));
    tag.unwrap_or_default()
}

/// The condition of a guarded statement and the statement itself, with the end of the block behind it; none where it is not guarded.
fn opened(sql: &str) -> Option<(&str, &str)> {
    // Most are none of these, and some are long.
    if !sql.starts_with("DO $upkeep") {
        return None;
    }
    let statement = Statement::of(sql);
    let body = statement.tokens().get(1).filter(|token| statement.has(0, &["DO"]) && token.kind == Kind::Text)?;
    let body = body.text.strip_prefix("$upkeep")?;
    let body = &body[body.find('$')? + 1..];
    let then = Statement::of(body).end_of("THEN")?;
    Some((&body[..then], body[then..].trim_start()))
}

/// The statement that stands in a block, or that is none; what is behind it in the block comes along.
pub(super) fn inner(sql: &str) -> &str {
    opened(sql).map_or(sql, |(_, inner)| inner)
}

/// The first line of what is run, for a message: that of the statement in a block, and behind the tablespace it is for.
pub(super) fn first_line(sql: &str) -> String {
    let last = sets_tablespace(sql).and_then(|_| statements_of(sql).pop());
    let line = inner(last.as_deref().unwrap_or(sql)).lines().next().unwrap_or_default();
    // How to connect may hold a password.
    let line =
        if line.starts_with("CREATE SUBSCRIPTION ") { line.split(" CONNECTION ").next().unwrap_or_default() } else { line };
    line.chars().take(SHOWN).collect()
}

/// What a guarded statement needs, for a loader that wants to say what is missing.
pub(super) fn needs(sql: &str) -> Vec<Need> {
    let Some((condition, inner)) = opened(sql) else { return Vec::new() };
    if let Some(name) = Statement::of(inner).default_tablespace() {
        return vec![Need::Tablespace(name)];
    }
    if let Some(provider) = Statement::of(inner).label_provider() {
        return vec![Need::Labels(unquoted(provider))];
    }
    let asked = Statement::of(condition);
    let tokens = asked.tokens();
    let (mut found, mut acting) = (Vec::new(), false);
    for (word, text) in tokens.iter().zip(tokens.iter().skip(2)).filter(|(word, _)| word.kind == Kind::Word) {
        acting |= word.text == "pg_has_role";
        if word.text == "to_regrole" && text.kind == Kind::Text {
            let role = unliteral(text.text);
            let acting = std::mem::take(&mut acting).then(|| Need::Acting(role.clone()));
            for need in acting.into_iter().chain([Need::Role(role)]) {
                if !found.contains(&need) {
                    found.push(need);
                }
            }
        }
    }
    found
}

/// The roles and the name of a policy that takes rows away: it is refused where one of them is missing.
pub(super) fn restricts(sql: &str) -> Option<(String, Vec<String>)> {
    // Most are none, and some are long.
    let policy = Some(inner(sql)).filter(|inner| inner.starts_with("CREATE POLICY "))?;
    let statement = Statement::of(policy);
    let (name, table) = statement.restrictive_policy()?;
    Some((format!("{name} on {table}"), statement.names_roles().into_iter().map(str::to_owned).collect()))
}

/// What a literal of ours says.
pub(super) fn unliteral(text: &str) -> String {
    let plain = text.strip_prefix('E').unwrap_or(text);
    let inner = plain.get(1..plain.len().saturating_sub(1)).unwrap_or_default().replace("''", "'");
    if text.starts_with('E') { inner.replace("\\\\", "\\") } else { inner }
}

/// The tablespace that a statement sets for what follows it, guarded or not.
pub(super) fn sets_tablespace(sql: &str) -> Option<String> {
    let inner = inner(sql);
    inner.starts_with("SET ").then(|| Statement::of(inner).default_tablespace()).flatten()
}
