//! To whom copies are encrypted: public keys, as text.

use std::fmt;

/// More of them than this fit into no sidecar.
pub const MOST: usize = 8;

/// Longer than any key that is taken, with its comment.
const LONGEST: usize = 4096;

/// A public key. Shown as the text that names it, without a comment.
#[derive(Clone)]
pub struct Recipient {
    text: String,
    key: Key,
}

#[derive(Clone)]
enum Key {
    X25519(age::x25519::Recipient),
    Ssh(Box<age::ssh::Recipient>),
}

impl Recipient {
    /// From the text of a configuration.
    ///
    /// # Errors
    /// Why it is not taken. A secret key that stands there by mistake is not repeated.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if is_secret(text) {
            return Err(
                "holds an identity, which is the secret half of a key: it has no place on this host. Take it out, hold it for \
                        known to whoever could read this file, and name the public half, which begins with age1 or ssh-ed25519"
                    .to_owned(),
            );
        }
        // What is no public key may be a passphrase: none of it is repeated.
        if text.len() > LONGEST {
            return Err("is longer than any key".to_owned());
        }
        let mut words = text.split_whitespace();
        match (words.next().unwrap_or_default(), words.next()) {
            ("ssh-ed25519", Some(blob)) => ssh(blob),
            (kind, Some(_)) if is_ssh(kind) => Err(format!("is a key of the kind {kind}: {}", no_ssh(kind))),
            (word, _) if is_ssh(word) => Err(format!("holds no key behind `{word}`: a public key is two words")),
            (word, None) if word.to_ascii_lowercase().starts_with("age1") => native(word),
            _ => Err("is no public key: those taken begin with age1 or ssh-ed25519; a passphrase or a file is none".to_owned()),
        }
    }

    /// The key itself.
    pub(super) fn key(&self) -> &dyn age::Recipient {
        match &self.key {
            Key::X25519(key) => key,
            Key::Ssh(key) => &**key,
        }
    }

    /// The text that names it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn ssh(blob: &str) -> Result<Recipient, String> {
    let text = format!("ssh-ed25519 {blob}");
    match text.parse::<age::ssh::Recipient>() {
        Ok(key @ age::ssh::Recipient::SshEd25519(..)) if key.to_string() == text => {
            Ok(Recipient { text, key: Key::Ssh(Box::new(key)) })
        }
        _ => Err("holds an ssh-ed25519 key that cannot be read: take the whole line of its .pub file".to_owned()),
    }
}

fn native(word: &str) -> Result<Recipient, String> {
    match word.parse::<age::x25519::Recipient>() {
        Ok(key) => Ok(Recipient { text: key.to_string(), key: Key::X25519(key) }),
        // The one kind has 62 letters; in the others a word stands before the last 1.
        Err(_) if word.to_ascii_lowercase().starts_with("age1pq1") => {
            Err("is a post-quantum key (age1pq1…), to which this upkeep cannot encrypt: name one that begins with age1 and is 62 letters long".to_owned())
        }
        Err(_) if word.rsplit_once('1').is_some_and(|(kind, _)| kind.len() > 3) => Err(format!(
            "is a key of a plugin ({}…), which would be a program that is found by its name and run by the daemon: none is",
            word.rsplit_once('1').map_or("", |(kind, _)| kind)
        )),
        Err(why) => Err(format!("holds a key that cannot be read, `{}…`: {why}", word.chars().take(12).collect::<String>())),
    }
}

fn is_secret(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    text.contains("AGE-SECRET-KEY-") || text.contains("AGE-PLUGIN-") || text.contains("PRIVATE KEY")
}

fn is_ssh(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|begins| word.starts_with(begins))
}

fn no_ssh(kind: &str) -> &'static str {
    if kind.starts_with("ssh-rsa") {
        "what opens it leaks by its timing in the library that is used here. Name an ssh-ed25519 key, or one that begins with age1"
    } else {
        "age encrypts to none of those. Name an ssh-ed25519 key, or one that begins with age1"
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Recipient {}
