use std::os::unix::fs::PermissionsExt;

use super::*;

fn database(dir: &Path) -> PathBuf {
    let path = dir.join("a b.db");
    crate::durable::write(&path, b"").unwrap();
    path
}

#[test]
fn what_is_no_plain_file_beside_a_database_is_named_and_not_opened() {
    for suffix in ["-journal", "-wal", "-shm"] {
        let dir = tempfile::tempdir().unwrap();
        let path = database(dir.path());
        let strange = beside(&path, suffix);
        let refused = |what: &str| {
            let error = Around::look(&path).unwrap_err();
            let hints = crate::failure::Explain::hints(&error).join("; ");
            assert!(hints.contains(&format!("`rm -r -- '{}'`", strange.display())), "{hints}");
            let error = error.to_string();
            assert!(error.contains(what) && error.contains(&strange.display().to_string()), "{error}");
        };
        std::os::unix::fs::symlink("/etc/hostname", &strange).unwrap();
        refused("a link");
        fs::remove_file(&strange).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &strange, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        refused("neither a file nor a directory");
        fs::remove_file(&strange).unwrap();
        crate::durable::write(&dir.path().join("other"), b"x").unwrap();
        fs::hard_link(dir.path().join("other"), &strange).unwrap();
        refused("several names");
    }
}

#[test]
fn a_journal_that_names_another_file_is_known_by_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = database(dir.path());
    let journal = |name: &[u8], end: &[u8]| {
        let mut bytes = vec![0; 512];
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&(name.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(end);
        crate::durable::write(&beside(&path, "-journal"), &bytes).unwrap();
        Around::look(&path).unwrap().names_no_other()
    };
    let error = journal(b"/var/lib/upkeep/state.db", &MAGIC).unwrap_err().to_string();
    assert!(error.contains("\"/var/lib/upkeep/state.db\""), "{error}");
    assert!(journal(b"\x1b[2J", &MAGIC).unwrap_err().to_string().contains("\\u{1b}"), "no escape reaches a terminal");
    journal(b"/var/lib/upkeep/state.db", &[0; 8]).unwrap();
    fs::remove_file(beside(&path, "-journal")).unwrap();
    Around::look(&path).unwrap().names_no_other().unwrap();
}

#[test]
fn where_others_may_write_nothing_is_played_back() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let path = database(&inner);
    let mode = |directory: &Path, mode| fs::set_permissions(directory, fs::Permissions::from_mode(mode)).unwrap();
    mode(&inner, 0o755);
    Around::look(&path).unwrap().may_write().unwrap();
    for (directory, bits) in [(&*inner, 0o775), (&*inner, 0o757), (&*inner, 0o1777), (dir.path(), 0o775)] {
        mode(directory, bits);
        let error = Around::look(&path).unwrap().may_write().unwrap_err().to_string();
        assert!(error.contains(&format!("write to {}", fs::canonicalize(directory).unwrap().display())), "{error}");
        mode(directory, 0o755);
    }
    // As /tmp is: others may not move what is not theirs.
    mode(dir.path(), 0o1777);
    Around::look(&path).unwrap().may_write().unwrap();
}
