//! What is written is read again by ranges, whatever its length; what was changed is never read; what is no key for us is refused by name.

use std::io::{Cursor, Read as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use age::secrecy::ExposeSecret as _;

use super::*;
use crate::archive::Source;

/// Made for these tests by `ssh-keygen -t ed25519 -N ''`; it opens nothing else.
const SSH_PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGK9KO+65V9yp6f4LMDyvVvQ5O3lNTZkADh1x25TfWw+";
const SSH_PRIVATE: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\n\
    b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n\
    QyNTUxOQAAACBivSjvuuVfcqen+CzA8r1b0OTt5TU2ZAA4dcduU31sPgAAAIiFjCBphYwg\n\
    aQAAAAtzc2gtZWQyNTUxOQAAACBivSjvuuVfcqen+CzA8r1b0OTt5TU2ZAA4dcduU31sPg\n\
    AAAECVrBrbmWnvdw2Xy/s3EpF3QxzY9R3nllwvJb3jYeBEA2K9KO+65V9yp6f4LMDyvVvQ\n\
    5O3lNTZkADh1x25TfWw+AAAAAAECAwQF\n\
    -----END OPENSSH PRIVATE KEY-----\n";

fn key() -> (Recipient, Identity) {
    let identity = age::x25519::Identity::generate();
    let public = Recipient::parse(&identity.to_public().to_string()).unwrap();
    (public, Identity::parse(identity.to_string().expose_secret()).unwrap())
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

fn encrypted(to: &[Recipient], plain: &[u8]) -> Vec<u8> {
    let mut encrypted = Encrypted::to(to, Cursor::new(plain)).unwrap();
    let (expected, mut bytes) = (encrypted.size(plain.len() as u64), Vec::new());
    encrypted.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, expected, "its length is known before its first byte");
    bytes
}

fn source(bytes: &[u8]) -> Arc<dyn Source> {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(bytes, 0).unwrap();
    Arc::new(file)
}

fn open(bytes: &[u8], identity: Identity) -> Result<Decrypted, OpenError> {
    Decrypted::open(source(bytes), Arc::new(identity))
}

const CHUNK: usize = 64 * 1024;

#[test]
fn it_is_read_by_ranges_in_any_order_whatever_its_length() {
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17] {
        let (to, identity) = key();
        let plain = content(length);
        let opened = open(&encrypted(&[to], &plain), identity).unwrap();
        assert_eq!(opened.size().unwrap(), length as u64);
        let ends = [0, 1, 84, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, length.saturating_sub(84), length];
        let ends: Vec<usize> = ends.into_iter().filter(|at| *at <= length).collect();
        for from in ends.iter().rev() {
            for to in ends.iter().filter(|to| *to >= from) {
                let mut read = vec![0; to - from];
                opened.read_exact_at(&mut read, *from as u64).unwrap();
                assert!(read == plain[*from..*to], "{from}..{to} of {length}");
            }
        }
        let past = opened.read_exact_at(&mut [0], length as u64).unwrap_err();
        assert_eq!(past.kind(), std::io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn each_recipient_opens_it_and_nobody_else() {
    let ((one, first), (other, second), (_, stranger)) = (key(), key(), key());
    let ssh = Recipient::parse(&format!("{SSH_PUBLIC} somebody@somewhere")).unwrap();
    assert_eq!(ssh.as_str(), SSH_PUBLIC);
    let bytes = encrypted(&[one.clone(), other, ssh], b"notes");
    let ssh = Identity::parse(SSH_PRIVATE).unwrap();
    for identity in [first, second, ssh] {
        let mut read = [0; 5];
        open(&bytes, identity).unwrap().read_exact_at(&mut read, 0).unwrap();
        assert_eq!(&read, b"notes");
    }
    assert!(matches!(open(&bytes, stranger), Err(OpenError::NotForThem)));
    // Twice the same is never the same.
    assert_ne!(encrypted(std::slice::from_ref(&one), b"notes"), encrypted(&[one], b"notes"));
    let names: Vec<String> = Identity::parse(SSH_PRIVATE).unwrap().each().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [SSH_PUBLIC]);
}

/// A byte that is another, an end that is missing or that of another, chunks in another order: told, and nothing wrong is read.
#[test]
fn what_was_changed_is_never_read() {
    let identity = age::x25519::Identity::generate();
    let to = Recipient::parse(&identity.to_public().to_string()).unwrap();
    let opener = || Identity::parse(identity.to_string().expose_secret()).unwrap();
    let plain = content(3 * CHUNK);
    let bytes = encrypted(&[to], &plain);
    let begins = bytes.len() - 3 * (CHUNK + 16);
    let chunk = |nth: usize| begins + nth * (CHUNK + 16)..begins + (nth + 1) * (CHUNK + 16);
    let swapped = [&bytes[..begins], &bytes[chunk(1)], &bytes[chunk(0)], &bytes[chunk(2)]].concat();
    let mut changed =
        vec![bytes[..bytes.len() - 1].to_vec(), bytes[..chunk(1).end].to_vec(), swapped, bytes[..begins].to_vec()];
    changed.push([&bytes[..], &bytes[chunk(2)]].concat());
    for at in [0, 30, begins - 20, begins - 1, begins, chunk(1).start + 5, bytes.len() - 1] {
        let mut other = bytes.clone();
        other[at] ^= 1;
        changed.push(other);
    }
    for (nth, bytes) in changed.iter().enumerate() {
        let Ok(opened) = open(bytes, opener()) else { continue };
        assert_eq!(opened.size().unwrap(), plain.len() as u64, "{nth}");
        let mut read = vec![0; plain.len()];
        let whole = opened.read_exact_at(&mut read, 0);
        assert!(whole.is_err(), "{nth}");
        // After an error what is right is read as before.
        let mut last = vec![0; 10];
        if opened.read_exact_at(&mut last, plain.len() as u64 - 10).is_ok() {
            assert_eq!(last, plain[plain.len() - 10..], "{nth}");
        }
    }
    assert!(open(b"", opener()).is_err() && open(b"plain", opener()).is_err());
}

/// As long as can be, with `head` at its begin and nothing behind it; how much of it was read is counted.
#[derive(Debug)]
struct Endless {
    head: Vec<u8>,
    read: AtomicU64,
}

impl Source for Endless {
    fn size(&self) -> std::io::Result<u64> {
        Ok(1 << 40)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        let at = usize::try_from(offset).unwrap();
        for (nth, byte) in buffer.iter_mut().enumerate() {
            *byte = self.head.get(at + nth).copied().unwrap_or_default();
        }
        Ok(())
    }
}

/// A header that does not end, as one line or as many: it is given up before it fills the memory.
#[test]
fn a_header_without_an_end_is_not_read_to_its_end() {
    let many = format!("age-encryption.org/v1\n{}", "-> X\n\n".repeat(100_000));
    let short = format!("age-encryption.org/v1\n{}--- x\n", "-> X25519 a\n\n");
    for head in ["age-encryption.org/", "age-encryption.org/v1\n-> X25519 ", &short, &many] {
        let endless = Arc::new(Endless { head: head.as_bytes().to_vec(), read: AtomicU64::new(0) });
        let opened = Decrypted::open(Arc::clone(&endless) as Arc<dyn Source>, Arc::new(key().1));
        assert!(matches!(opened, Err(OpenError::Damaged(_))), "{:.40}: {opened:?}", head);
        assert!(endless.read.load(Ordering::Relaxed) <= 16 * 1024, "{head:.40}");
    }
}

#[test]
fn what_is_no_recipient_is_refused_by_name() {
    for (text, words) in [
        ("", "is no public key"),
        ("age1", "cannot be read"),
        ("age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", "cannot be read"),
        ("age1pq1qqqqqqqqqqqqqqqqqqqqqqqqq", "post-quantum"),
        ("age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", "a plugin (age1yubikey…)"),
        ("AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQ", "holds an identity"),
        ("AGE-PLUGIN-YUBIKEY-1QQQ", "holds an identity"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "holds an identity"),
        ("ssh-rsa AAAAB3NzaC1yc2E root@db", "of the kind ssh-rsa"),
        ("ecdsa-sha2-nistp256 AAAA", "of the kind ecdsa-sha2-nistp256"),
        ("sk-ssh-ed25519@openssh.com AAAA", "of the kind sk-ssh-ed25519@openssh.com"),
        ("ssh-ed25519", "a public key is two words"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "cannot be read"),
        ("correct horse battery staple", "is no public key"),
        ("/etc/upkeep/key.txt", "is no public key"),
    ] {
        let refused = Recipient::parse(text).unwrap_err();
        assert!(refused.contains(words), "{text}: {refused}");
        assert!(!refused.contains("QQQQ"), "a secret is not repeated: {refused}");
    }
}

#[test]
fn what_is_no_identity_is_refused_and_never_repeated() {
    let (public, _) = key();
    for (text, words) in [
        ("", "holds no identity"),
        ("# only a comment\n", "holds no identity"),
        (public.as_str(), "on line 1 what is no identity"),
        ("# one\nAGE-PLUGIN-YUBIKEY-1QQQQ\n", "names a plugin on line 2"),
        ("AGE-SECRET-KEY-1QQQQ\n", "on line 1 what is no identity"),
        ("age-encryption.org/v1\n-> scrypt QQQQ\n", "is encrypted itself"),
        ("-----BEGIN AGE ENCRYPTED FILE-----\nQQQQ\n", "is encrypted itself"),
        ("-----BEGIN RSA PRIVATE KEY-----\nQQQQ\n-----END RSA PRIVATE KEY-----\n", ""),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nQQQQ\n-----END OPENSSH PRIVATE KEY-----\n", "cannot be read"),
    ] {
        let refused = Identity::parse(text).unwrap_err();
        assert!(refused.contains(words) && !refused.contains("QQQQ"), "{text}: {refused}");
    }
}
