//! `[offsite.NAME]` with a `url` of SFTP: a directory of a server's.

use config::ValueKind;

use crate::config::given::Environment;
use crate::config::offsite::Sftp;
use crate::config::raw::Node;

use super::bucket;

/// What the URL looks like.
const FORM: &str = "it is written sftp://USER@HOST/PATH, or sftp://USER@HOST/~/PATH from where a login begins";

/// With the longest owner and label a path stays within what servers take.
const LONGEST_PATH: usize = 400;

/// The kinds of keys that a server of SSH has.
const KINDS: [&str; 5] = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

/// Whom, where and at which port, and the path.
type Parsed = (String, String, u16, String);

/// Whether a place's `url` is one of these.
pub(super) fn is_meant(node: &Node<'_>) -> bool {
    matches!(node.value("url").map(|url| &url.kind), Some(ValueKind::String(url)) if url.starts_with("sftp://"))
}

pub(super) fn read(node: &Node<'_>, environment: &Environment) -> Option<Sftp> {
    let place = node.parsed("url", parse);
    let host_key = node.parsed("host_key", host_key);
    if !node.has("host_key") {
        let what = "is missing: the server's public key, one of the lines that `ssh-keyscan -p PORT HOST` prints, compared with what those say who run it";
        node.wrong("host_key", what);
    }
    let missing = "is missing: a private key of SSH's without a passphrase for this account; name its file, or `credentials_env`, `credentials_credential`";
    let keys = bucket::keys(node, environment, missing);
    let (user, host, port, path) = place?;
    Some(Sftp { user, host, port, path, host_key: host_key?, keys: keys? })
}

/// No message holds the text: somebody may have written a password into it.
fn parse(text: &str) -> Result<Parsed, String> {
    let rest = text.strip_prefix("sftp://").ok_or_else(|| format!("is no URL of SFTP; {FORM}"))?;
    let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
    let (user, server) = authority.rsplit_once('@').ok_or_else(|| format!("names no user; {FORM}"))?;
    if user.contains(':') {
        return Err("holds a password, which is not served: name a key in `credentials_file`".to_owned());
    }
    // What stands on a command line begins with no hyphen.
    let is_word = |word: &str, more: &str| {
        !word.is_empty()
            && !word.starts_with('-')
            && word.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter))
    };
    if !is_word(user, "._-") {
        return Err(format!("names no user; {FORM}"));
    }
    let (host, port) = match server.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => server.split_once(':').map_or((server, None), |(host, port)| (host, Some(port))),
    };
    if !is_word(host, if server.starts_with('[') { ".:" } else { ".-" }) {
        return Err(format!("names no server; {FORM}"));
    }
    let port =
        port.map_or(Ok(22), |port| port.parse::<u16>().ok().filter(|port| *port > 0).ok_or("has no port that could be one"))?;
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "._+=@-".contains(letter))
    };
    let (is_home, path) = match path.strip_prefix('~') {
        Some(rest) => (true, rest),
        None => (false, path),
    };
    let path = path.trim_end_matches('/').trim_start_matches('/');
    if !path.is_empty() && !path.split('/').all(is_part) || path.len() > LONGEST_PATH {
        return Err("has a path with other than letters, digits and . _ + = @ - between single slashes".to_owned());
    }
    let path = if is_home { path.to_owned() } else { format!("/{path}") };
    Ok((user.to_owned(), host.to_owned(), port, path))
}

/// A public key, alone or in a line of `ssh-keyscan`'s or of known_hosts.
fn host_key(text: &str) -> Result<String, String> {
    if text.split_whitespace().any(|word| word.starts_with('@')) {
        return Err("is a line about keys that are revoked or that sign others, and names no server's own".to_owned());
    }
    let mut words = text.split_whitespace().skip_while(|word| !KINDS.contains(word));
    let is_key = |key: &&str| {
        key.starts_with("AAAA") && key.chars().all(|letter| letter.is_ascii_alphanumeric() || "+/=".contains(letter))
    };
    match (words.next(), words.next().filter(is_key)) {
        (Some(kind), Some(key)) => Ok(format!("{kind} {key}")),
        _ => Err(format!("is no public key of a server; it is written `KIND AAAA…`, and the kinds are {}", KINDS.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_keys_are_read_as_people_have_them() {
        let whole = |text: &str| parse(text).map(|(user, host, port, path)| format!("{user} {host} {port} {path}"));
        for (text, found) in [
            ("sftp://upkeep@nas.lan/srv/backup/", "upkeep nas.lan 22 /srv/backup"),
            ("sftp://u12-sub1@u12.example.net:23/~/db", "u12-sub1 u12.example.net 23 db"),
            ("sftp://u@[::1]:2222/x", "u ::1 2222 /x"),
            ("sftp://u@h", "u h 22 /"),
            ("sftp://u@h/~", "u h 22 "),
        ] {
            assert_eq!(whole(text).unwrap(), found, "{text}");
        }
        for text in [
            "sftp://h/x",
            "sftp://u:hidden@h/x",
            "sftp://-oProxyCommand@h/x",
            "sftp://u@-h/x",
            "sftp://u@h:0/x",
            "sftp://u@h:x/x",
            "sftp://u@h/a//b",
            "sftp://u@h/a/../b",
            "sftp://u@h/a b",
            "sftp://u@/x",
            "sftp://@h/x",
            "sftp://u@h%x/x",
        ] {
            let refused = parse(text).unwrap_err();
            assert!(!refused.contains("hidden"), "{refused}");
        }
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKdc2WYOV5xtvHB8aPWQD9RRL+jm4MZbazorTIg60Msy";
        for text in [key.to_owned(), format!("{key} root@nas"), format!("[nas.lan]:23 {key}")] {
            assert_eq!(host_key(&text).unwrap(), key);
        }
        for text in [
            format!("@revoked * {key}").as_str(),
            "",
            "nas.lan",
            "ssh-ed25519",
            "ssh-dss AAAAB3NzaC1kc3M=",
            "ssh-ed25519 SHA256:abc",
        ] {
            assert!(host_key(text).is_err(), "{text}");
        }
    }
}
