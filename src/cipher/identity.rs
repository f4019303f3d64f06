//! Who opens copies: secret keys, which a person brings for one piece of work.

use std::fmt;

/// Secret keys of one file. Never shown, never kept.
pub struct Identity {
    keys: Vec<Key>,
}

enum Key {
    X25519(age::x25519::Identity),
    Ssh(Box<age::ssh::Identity>),
}

impl Key {
    fn key(&self) -> &dyn age::Identity {
        match self {
            Self::X25519(key) => key,
            Self::Ssh(key) => &**key,
        }
    }

    /// The public half's text.
    fn recipient(&self) -> Option<String> {
        match self {
            Self::X25519(key) => Some(key.to_public().to_string()),
            Self::Ssh(key) => age::ssh::Recipient::try_from(age::ssh::Identity::clone(key)).ok().map(|key| key.to_string()),
        }
    }
}

impl Identity {
    /// From what an identity file holds: lines that begin with `AGE-SECRET-KEY-1`, or an OpenSSH key.
    ///
    /// # Errors
    /// Why it is none that opens anything here. Nothing of the content is repeated.
    pub fn parse(text: &str) -> Result<Self, String> {
        let begins = text.trim_start();
        if begins.starts_with("age-encryption.org/") || begins.starts_with("-----BEGIN AGE ENCRYPTED FILE") {
            return Err(
                "is encrypted itself, by a passphrase that nobody is asked for here: decrypt it with `age -d` first".to_owned()
            );
        }
        if begins.starts_with("-----BEGIN") {
            return ssh(begins).map(|key| Self { keys: vec![Key::Ssh(Box::new(key))] });
        }
        let mut keys = Vec::new();
        for (nth, line) in
            text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        {
            if line.to_ascii_uppercase().starts_with("AGE-PLUGIN-") {
                return Err(format!("names a plugin on line {}: no program is run for a key here", nth + 1));
            }
            let key = line.parse::<age::x25519::Identity>();
            keys.push(Key::X25519(key.map_err(|_| format!("holds on line {} what is no identity", nth + 1))?));
        }
        if keys.is_empty() { Err("holds no identity".to_owned()) } else { Ok(Self { keys }) }
    }

    /// Each of its keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.keys.iter().map(Key::key)
    }

    /// Each of its keys alone, by the text of its public half.
    #[must_use]
    pub fn each(self) -> Vec<(String, Self)> {
        let named = self.keys.into_iter().filter_map(|key| Some((key.recipient()?, key)));
        named.map(|(name, key)| (name, Self { keys: vec![key] })).collect()
    }
}

fn ssh(text: &str) -> Result<age::ssh::Identity, String> {
    let key = age::ssh::Identity::from_buffer(text.as_bytes(), None);
    match key.map_err(|_| "begins like a key of OpenSSH and cannot be read as one".to_owned())? {
        key @ age::ssh::Identity::Unencrypted(_) => match age::ssh::Recipient::try_from(key.clone()) {
            Ok(age::ssh::Recipient::SshEd25519(..)) => Ok(key),
            _ => Err("is no ssh-ed25519 key, and copies are encrypted to no other kind of SSH's".to_owned()),
        },
        age::ssh::Identity::Encrypted(_) => Err("has a passphrase, which nobody is asked for here: make a copy without one \
                                                 (`ssh-keygen -p -N '' -f COPY`), and remove it afterwards"
            .to_owned()),
        age::ssh::Identity::Unsupported(_) => Err("is a key of a kind that opens nothing here".to_owned()),
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.keys.len())
    }
}
