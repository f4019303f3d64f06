//! Single values: how a duration, zone, cron line, window, principal or address is written, and what is said when it is not.

use std::time::Duration;

use chrono::NaiveTime;

use crate::config::raw::Node;
use crate::config::{Alarms, Definers, Health, HttpUrl, Principal};
use crate::schedule::Schedule;

/// Looking more often than this finds nothing earlier (inotify wakes us anyway) and costs a processor.
pub(super) const SHORTEST_POLL: Duration = Duration::from_millis(100);

/// `Europe/Berlin`.
/// Bytes: a number and a unit.
pub(super) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 5] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("B", 1)];
    let read = UNITS.iter().find_map(|(unit, bytes)| {
        let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(*bytes)
    });
    read.ok_or_else(|| format!("`{text}` is no size; write a number and a unit: 500KiB, 20MiB, 1GiB"))
}

pub(super) fn zone(text: &str) -> Result<chrono_tz::Tz, String> {
    chrono_tz::Tz::from_str_insensitive(text).map_err(|_| {
        let near = crate::config::raw::guess(text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
        format!("`{text}` is not a time zone{near}; write its name in the tz database, as in Europe/Berlin")
    })
}

/// `keep`, `strip` or an account (`app@localhost`, in quotes or not).
pub(super) fn definers(text: &str) -> Result<Definers, String> {
    let bare = |part: &str| part.trim_matches(['\'', '`', '"']).to_owned();
    match (text, text.rsplit_once('@')) {
        ("keep", _) => Ok(Definers::Keep),
        ("strip", _) => Ok(Definers::Strip),
        (_, Some((user, host))) if !bare(user).is_empty() && !bare(host).is_empty() => {
            Ok(Definers::Rewrite { user: bare(user), host: bare(host) })
        }
        _ => Err(format!("`{text}` is neither keep nor strip nor an account, which is written as app@localhost")),
    }
}

/// A cron line.
pub(super) fn schedule(text: &str, zone: chrono_tz::Tz) -> Result<Schedule, String> {
    Schedule::parse(text, zone).map_err(|error| format!("{error}; half past two every night is `30 2 * * *`"))
}

/// `01:00-05:00`.
pub(super) fn window(text: &str) -> Result<(NaiveTime, NaiveTime), String> {
    let wrong = || format!("`{text}` is not a window of the day; write it as 01:00-05:00");
    let (from, to) = text.split_once('-').ok_or_else(wrong)?;
    let time = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").map_err(|_| wrong());
    let (from, to) = (time(from)?, time(to)?);
    if from == to {
        return Err(format!("`{text}` begins when it ends; leave the key out for the whole day"));
    }
    Ok((from, to))
}

/// `root`, `1000`, `group:adm`.
fn principal(text: &str) -> Result<Principal, String> {
    let (kind, name) = text.split_once(':').unwrap_or(("user", text));
    let legal = |c: char| c.is_ascii_alphanumeric() || "_-.$@\\".contains(c);
    if name.is_empty() || !name.chars().all(legal) {
        return Err(format!("`{text}` is neither a user nor a group; write `alice`, `1000` or `group:adm`"));
    }
    match kind {
        "user" => Ok(Principal::User(name.to_owned())),
        "group" => Ok(Principal::Group(name.to_owned())),
        _ => Err(format!("`{text}`: before the colon only `user` or `group` may stand")),
    }
}

/// A list of principals; each wrong one is a problem of its own.
pub(super) fn principals(node: &Node<'_>, key: &str) -> Vec<Principal> {
    let texts = node.texts(key).unwrap_or_default();
    texts.iter().filter_map(|text| principal(text).map_err(|what| node.wrong(key, what)).ok()).collect()
}

/// One health check, `{ http = "…" }` (over HTTPS with `ca_file` as well), `{ tcp = "…" }` or `{ command = […] }`.
pub(super) fn health(check: &Node<'_>) -> Option<Health> {
    let ca_file = check.path("ca_file");
    if ca_file.is_some() && !check.has("http") {
        check.wrong("ca_file", "is only for an `http` check with an https:// URL");
    }
    let http = check.parsed("http", |text| match (http_url(text)?, &ca_file) {
        (url, Some(_)) if !url.is_https() => Err("must be an https:// URL to be used with `ca_file`".to_owned()),
        (url, ca_file) => Ok(Health::Http(url.trusting(ca_file.clone()))),
    });
    let tcp = check.parsed("tcp", host_port).map(Health::Tcp);
    let command = check.argv("command").map(Health::Command);
    check.close();
    http.or(tcp).or(command)
}

/// `[alarms]`; none when nobody is to be told.
pub(super) fn alarms(node: &Node<'_>) -> Option<Alarms> {
    let ca_file = node.path("ca_file");
    let url = |key: &str| node.parsed(key, http_url).map(|url| url.trusting(ca_file.clone()));
    let alarms = Alarms {
        command: node.argv("command"),
        webhook: url("webhook"),
        ping: url("ping"),
        after: node.duration("after").unwrap_or_default(),
    };
    if ca_file.is_some() && !alarms.webhook.iter().chain(&alarms.ping).any(HttpUrl::is_https) {
        node.wrong("ca_file", "is only for a `webhook` or `ping` with an https:// URL");
    }
    node.close();
    Some(alarms).filter(|alarms| alarms.command.is_some() || alarms.webhook.is_some() || alarms.ping.is_some())
}

/// No message holds the text itself: there may be a password in it.
fn http_url(text: &str) -> Result<HttpUrl, String> {
    let parsed = url::Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    match parsed.scheme() {
        "http" | "https" if parsed.has_host() => Ok(HttpUrl::new(text)),
        scheme => Err(format!("is not an http:// or https:// URL, but one of `{scheme}`")),
    }
}

fn host_port(text: &str) -> Result<String, String> {
    if text.contains('@') {
        return Err("a connection is opened and nothing said: write host and port, without a user".to_owned());
    }
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(port)) if port > 0 => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not an address with a port; write it as 127.0.0.1:8080")),
    }
}
