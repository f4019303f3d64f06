//! The suite and more on a real OpenSSH server in a chroot.

// One for these and for the stories of the whole program.
#[path = "../../../../tests/it/support/sshd.rs"]
#[expect(clippy::disallowed_methods, reason = "the tests' own server")]
mod sshd;

use sshd::Sshd;

use super::*;
use crate::config::{self, Keys};
use crate::failure::Explain as _;

fn named(server: &Sshd) -> config::Sftp {
    let words = server.host_key();
    config::Sftp {
        user: server.user(),
        host: "127.0.0.1".to_owned(),
        port: server.port(),
        path: server.path(),
        host_key: words.split_whitespace().take(2).collect::<Vec<_>>().join(" "),
        keys: Keys::File(server.key()),
    }
}

fn set_up_at(sftp: &config::Sftp, known: Option<(&str, &str)>) -> Result<(String, String), PlaceError> {
    let (place, owner) = (name("box"), owner("db1"));
    let host = known.map_or_else(|| Marker::random().id, |(_, host)| host.to_owned());
    let marker = known.map(|(marker, _)| marker);
    let setup = SftpSetup { sftp, place: &place, owner: &owner, marker, host: &host, adopt: false };
    setup.run().map(|marker| (marker, host))
}

fn written_to(sftp: &config::Sftp, (marker, host): &(String, String)) -> Sftp {
    Sftp::write(sftp, &name("box"), &owner("db1"), (marker, host)).unwrap()
}

fn leftovers(part: &Path) -> Vec<String> {
    let names = std::fs::read_dir(part).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| crate::durable::is_temporary(name)).collect()
}

/// Counts what is read of it, and breaks at a byte.
struct Counted<'a> {
    bytes: &'a [u8],
    breaks_at: usize,
    read: usize,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read >= self.breaks_at {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let take = buffer.len().min(self.breaks_at - self.read).min(self.bytes.len() - self.read);
        buffer[..take].copy_from_slice(&self.bytes[self.read..self.read + take]);
        self.read += take;
        Ok(take)
    }
}

#[test]
fn a_server_of_sftp_conforms() {
    let Some(server) = Sshd::start() else { return };
    let sftp = named(&server);
    let known = set_up_at(&sftp, None).unwrap();
    conforms(&written_to(&sftp, &known));
    let part = server.copies().join("db1");
    assert_eq!(leftovers(&part), Vec::<String>::new());
    assert_eq!(set_up_at(&sftp, Some((&known.0, &known.1))).unwrap(), known, "again");
    assert!(matches!(set_up_at(&sftp, None), Err(PlaceError::Foreign { .. })), "another host of the name");
    assert!(matches!(Sftp::read(&sftp, &owner("db2"), None), Err(PlaceError::NoPart(_))));
    assert_eq!(Sftp::owners(&sftp).unwrap(), [owner("db1")]);
    let elsewhere = config::Sftp { path: format!("{}/db1", sftp.path), ..sftp.clone() };
    assert!(matches!(Sftp::read(&elsewhere, &owner("db1"), None), Err(PlaceError::Absent { .. })));
    let nowhere = config::Sftp { path: "/nowhere".to_owned(), ..sftp.clone() };
    let refused = set_up_at(&nowhere, None).unwrap_err();
    assert!(matches!(&refused, PlaceError::Absent { why, .. } if why.contains("upkeep makes none")), "{refused}");

    let place = written_to(&sftp, &known);
    let tried = place.try_out().unwrap();
    assert_eq!((tried.keeps_names, tried.advice.len(), leftovers(&part).len()), (true, 0, 0), "{tried:?}");
    assert!(place.free_bytes().unwrap().is_some(), "OpenSSH knows how much room there is");
    // Links, pipes and what is no text are nobody's objects, and in nobody's way.
    crate::durable::write(&server.copies().join("secret"), b"secret").unwrap();
    std::os::unix::fs::symlink("../secret", part.join("link.sql.zst")).unwrap();
    std::fs::create_dir(part.join("dir.sql.zst")).unwrap();
    let odd = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff.sql.zst");
    std::fs::hard_link(server.copies().join("secret"), part.join(odd)).unwrap();
    assert_eq!(place.list().unwrap().len(), 2);
    for name in ["link.sql.zst", "dir.sql.zst"] {
        assert!(place.open(name).is_err(), "{name}");
        assert_eq!(place.put_new(name, 0, &mut &b"x"[..]).unwrap(), Put::Exists, "{name}");
    }
    assert_eq!(std::fs::read(server.copies().join("secret")).unwrap(), b"secret");
}

/// What was sent before it was cut short is compared and gone on with; what is not wanted any more goes.
#[test]
fn a_server_of_sftp_is_gone_on_with() {
    let Some(server) = Sshd::start() else { return };
    let sftp = named(&server);
    let known = set_up_at(&sftp, None).unwrap();
    let part = server.copies().join("db1");
    let content: Vec<u8> = (0..(5 << 20) + 77_u32).map(|n| (n % 253) as u8).collect();
    let send = |name: &str, breaks_at: usize| {
        let mut counted = Counted { bytes: &content, breaks_at, read: 0 };
        let (place, length) = (written_to(&sftp, &known), content.len() as u64);
        match name.ends_with(ENCRYPTED) {
            true => place.put_new(name, length, &mut counted),
            false => place.put_known(name, &"0123456789abcdef".repeat(4), length, &mut counted),
        }
    };
    send("a.sql.zst", 4 << 20).unwrap_err();
    let begun = part.join(".a.sql.zst.0123456789abcdef.begun.tmp");
    let there = std::fs::metadata(&begun).unwrap().len();
    assert!((1 << 20..=4 << 20).contains(&there), "{there}");
    // Of what is other nothing stays; and it may have been longer.
    let mut bytes = std::fs::read(&begun).unwrap();
    bytes[(1 << 20) + 5] ^= 1;
    bytes.resize(content.len() + 9, 7);
    std::fs::remove_file(&begun).unwrap();
    crate::durable::write(&begun, &bytes).unwrap();
    let place = written_to(&sftp, &known);
    assert_eq!(place.sweep(&|name| name == "a.sql.zst").unwrap(), 0);
    assert_eq!(send("a.sql.zst", usize::MAX).unwrap(), Put::Created);
    assert!(std::fs::read(part.join("a.sql.zst")).unwrap() == content);
    // All that is there is taken for what it is.
    std::fs::rename(part.join("a.sql.zst"), &begun).unwrap();
    assert_eq!((send("a.sql.zst", usize::MAX).unwrap(), leftovers(&part).len()), (Put::Created, 0));
    // Encrypted it is other bytes each time.
    send("b.sql.zst.age", 4 << 20).unwrap_err();
    assert_eq!(leftovers(&part), Vec::<String>::new());
    send("c.sql.zst", 4 << 20).unwrap_err();
    assert_eq!((place.sweep(&|_| false).unwrap(), leftovers(&part).len()), (1, 0));
}

/// Each refusal is a sentence of its own, with what is safe and what to do.
#[test]
fn a_server_of_sftp_refuses_in_words() {
    let Some(server) = Sshd::start() else { return };
    let sftp = named(&server);
    let read = |sftp: &config::Sftp| Sftp::read(sftp, &owner("db1"), None).unwrap_err();
    let told = |error: &PlaceError, words: &str| {
        assert!(error.to_string().contains(words) && error.is_of_the_place(), "{error}");
        assert!(error.safe().is_some() && !error.hints().is_empty(), "{error}");
    };
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKdc2WYOV5xtvHB8aPWQD9RRL+jm4MZbazorTIg60Msy".to_owned();
    told(&read(&config::Sftp { host_key: other, ..sftp.clone() }), "does not have the key that `host_key` names");
    told(&read(&config::Sftp { keys: Keys::File(server.other_key()), ..sftp.clone() }), "refuses the key");
    told(&read(&config::Sftp { keys: Keys::Variable("KEY".to_owned(), None), ..sftp.clone() }), "the environment variable KEY");
    let nobody = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    told(&read(&config::Sftp { port: nobody.port(), ..sftp.clone() }), "cannot be reached");
}
