use std::os::unix::fs::symlink;

use super::*;

struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[(&str, &str)], link: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::File::create(&path).and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes())).unwrap();
        }
        if let Some(to) = link {
            symlink(to, dir.path().join("current")).unwrap();
        }
        Self(dir)
    }

    fn release(&self, path: &str, probes: Vec<Probe>) -> Release {
        Release { path: self.0.path().join(path), probes, settle: Duration::ZERO, revert: None }
    }
}

async fn outcome(release: &Release) -> String {
    match read(release).await {
        Ok(installed) => format!("{} by {}", installed.version, installed.probe),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn every_probe_reads_what_it_should_and_says_why_it_cannot() {
    let file = || Probe::File("VERSION".into());
    let glob = || Probe::Glob("libs/app-*.jar".to_owned());
    let echo = |text: &str| Probe::Command(vec!["echo".to_owned(), text.to_owned()]);
    let one: &[(&str, &str)] =
        &[("app-1.2.0/VERSION", "1.2.0\n"), ("app-1.2.0/libs/app-1.2.0.jar", ""), ("app-1.2.0/libs/app-common.jar", "")];
    let two: &[(&str, &str)] = &[("r/VERSION", "1.2.0"), ("r/libs/app-1.2.0.jar", ""), ("r/libs/app-1.3.0.jar", "")];
    let dir: &[(&str, &str)] = &[("r/bin-2.0/run", "")];
    type Files = [(&'static str, &'static str)];
    type Case<'a> = (&'a Files, Option<&'a str>, &'a str, Vec<Probe>, &'a str);
    let cases: Vec<Case<'_>> = vec![
        (
            one,
            Some("app-1.2.0"),
            "current",
            vec![Probe::Symlink, file(), glob()],
            "1.2.0 by symlink, file VERSION, glob libs/app-*.jar",
        ),
        (one, None, "app-1.2.0", vec![echo("v1.2"), file()], "1.2 by command echo, file VERSION"),
        (
            one,
            None,
            "app-1.2.0",
            vec![echo("1.3.0"), file()],
            "the probes disagree on the release: command echo says 1.3.0, file VERSION says 1.2.0",
        ),
        (one, None, "app-1.2.0", vec![Probe::Symlink], "symlink finds no version in "),
        (one, Some("gone-1.3.0"), "current", vec![Probe::Symlink], "release "),
        (one, None, "nowhere", vec![file()], "release "),
        (two, None, "r", vec![file(), glob()], "two releases at once: glob libs/app-*.jar finds versions 1.2.0 and 1.3.0"),
        (two, None, "r", vec![Probe::Glob("libs/other-*.jar".to_owned())], "glob libs/other-*.jar finds no version in "),
        (two, None, "r", vec![Probe::Glob("libs/app.jar".to_owned())], "glob libs/app.jar finds no version in "),
        (two, None, "r", vec![Probe::File("NONE".into())], "file NONE finds no version in "),
        (two, None, "r", vec![], "no probe finds no version in "),
        (dir, None, "r", vec![Probe::Glob("bin-*/run".to_owned())], "2.0 by glob bin-*/run"),
    ];
    for (files, link, path, probes, expected) in cases {
        let tree = Tree::new(files, link);
        let found = outcome(&tree.release(path, probes)).await;
        assert!(found.starts_with(expected), "{path}: {found}");
    }
}

#[tokio::test]
async fn a_dangling_symlink_and_a_missing_directory_are_told_apart() {
    let tree = Tree::new(&[("x/y", "")], Some("app-2.0"));
    assert!(matches!(read(&tree.release("current", vec![Probe::Symlink])).await, Err(ReleaseError::Dangling { .. })));
    assert!(matches!(read(&tree.release("nowhere", vec![Probe::Symlink])).await, Err(ReleaseError::Missing { .. })));
}

#[tokio::test]
async fn the_fingerprint_changes_while_files_arrive() {
    let tree = Tree::new(&[("r/VERSION", "1.0"), ("r/sql/a/b/V1__x.sql", "select 1")], None);
    let release = tree.release("r", vec![Probe::File("VERSION".into())]);
    let first = read(&release).await.unwrap().fingerprint;
    assert_eq!(first, read(&release).await.unwrap().fingerprint);
    std::fs::File::create(tree.0.path().join("r/sql/a/b/V2__y.sql")).unwrap();
    assert_ne!(first, read(&release).await.unwrap().fingerprint);
}

#[tokio::test]
async fn pointing_back_swaps_the_symlink_and_may_be_repeated() {
    let tree = Tree::new(&[("app-1.0/x", ""), ("app-2.0/x", "")], Some("app-2.0"));
    let release = tree.release("current", vec![Probe::Symlink]);
    let (version, old) = (Version::parse("1.0").unwrap(), std::fs::canonicalize(tree.0.path().join("app-1.0")).unwrap());
    assert_eq!(way_back(&release, &old), WayBack::Symlink);
    for _ in 0..2 {
        let installed = point_back(&release, &version, &old).await.unwrap();
        assert_eq!((installed.version.as_str(), &installed.path), ("1.0", &old));
        assert_eq!(std::fs::read_link(&release.path).unwrap(), Path::new("app-1.0"), "as relative as it was");
    }
}

#[tokio::test]
async fn an_in_place_release_goes_back_by_its_command_or_not_at_all() {
    let tree = Tree::new(&[("r/VERSION", "2.0")], None);
    let mut release = tree.release("r", vec![Probe::File("VERSION".into())]);
    let (version, path) = (Version::parse("1.0").unwrap(), std::fs::canonicalize(tree.0.path().join("r")).unwrap());
    assert_eq!(way_back(&release, &path), WayBack::Nothing);
    assert!(matches!(point_back(&release, &version, &path).await, Err(ReleaseError::NotBack { .. })));
    let script = format!("echo {{version}} > {}", path.join("VERSION").display());
    release.revert = Some(["sh", "-c", &script].map(str::to_owned).to_vec());
    assert_eq!(point_back(&release, &version, &path).await.unwrap().version.as_str(), "1.0");
}

#[test]
fn everything_that_may_announce_a_release_is_watched() {
    let tree = Tree::new(&[("app-1.0/libs/app-1.0.jar", "")], Some("app-1.0"));
    let paths = watch_paths(&tree.release("current", vec![Probe::Symlink, Probe::Glob("libs/app-*.jar".to_owned())]));
    let root = std::fs::canonicalize(tree.0.path()).unwrap();
    for expected in [root.join("app-1.0"), root.join("app-1.0/libs"), root] {
        assert!(paths.contains(&expected), "{} in {paths:?}", expected.display());
    }
}

#[test]
fn a_revert_command_that_only_root_can_run_is_none() {
    let hopeless = |argv: &[&str], user| {
        let revert = Some(argv.iter().map(|word| (*word).to_owned()).collect());
        let release = Release { path: "/srv/app".into(), probes: Vec::new(), settle: Duration::ZERO, revert };
        hopeless_revert(&release, user).map(str::to_owned)
    };
    for argv in [
        &["apt-get", "install", "-y", "--allow-downgrades", "app={version}"][..],
        &["/usr/bin/dpkg", "-i", "/srv/app_{version}.deb"],
        &["sudo", "/srv/app/back", "{version}"],
        &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "app={version}"],
        &["sh", "-c", "cd /srv && /usr/bin/apt install app={version}"],
        &["bash", "-ec", "if A=1 exec 'apt-get' install app={version}; then echo done; fi"],
        &["timeout", "-k", "5", "60", "nice", "-n", "5", "env", "-u", "X", "A=b", "dpkg", "-i", "/srv/{version}.deb"],
        &["sh", "-c", "for v in {version}; do (cd /; env apt install app=$v) done"],
    ] {
        assert!(hopeless(argv, 999).is_some(), "{argv:?}");
    }
    for argv in [
        &["/srv/app/back", "{version}"][..],
        &["ln", "-sfn", "/srv/apt/{version}", "/srv/app"],
        &["sh", "-c", "exec /srv/back {version}"],
        &["sh", "-c", "cp -a /srv/su /srv/app && echo 'put back; apt did nothing' apt && ls /var/cache/apt"],
        &["sh", "/srv/back", "{version}", "apt"],
        &["env", "A=apt", "/srv/back", "su", "{version}"],
        &["sh", "-c", "case {version} in 1*) /srv/one;; esac # apt"],
    ] {
        assert_eq!(hopeless(argv, 999), None, "{argv:?}");
    }
    // Root becomes whom it likes, and holds no other lock of the package manager than anybody.
    assert_eq!(hopeless(&["runuser", "-u", "app", "--", "/srv/app/back", "{version}"], 0), None);
    assert!(hopeless(&["sudo", "-u", "root", "apt", "install", "app={version}"], 0).is_some());
}

/// A jar as a build makes it: a zip archive with one file, packed or not.
fn jar(name: &str, content: &str, packed: bool) -> Vec<u8> {
    let raw = content.as_bytes();
    let body = if packed { miniz_oxide::deflate::compress_to_vec(raw, 6) } else { raw.to_vec() };
    let short = |number: usize| u16::try_from(number).unwrap().to_le_bytes();
    let long = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let method = short(if packed { 8 } else { 0 });
    let facts =
        [&method[..], &[0; 4], &crc32fast::hash(raw).to_le_bytes(), &long(body.len()), &long(raw.len()), &short(name.len())];
    let facts = facts.concat();
    let local = [b"PK\x03\x04\x14\0\0\0", &facts[..], &[0; 2], name.as_bytes(), &body].concat();
    let entry = [b"PK\x01\x02\x14\0\x14\0\0\0", &facts[..], &[0; 16], name.as_bytes()].concat();
    let counts = [short(1), short(1)].concat();
    let end = [b"PK\x05\x06\0\0\0\0", &counts[..], &long(entry.len()), &long(local.len()), &[0; 2]].concat();
    [local, entry, end].concat()
}

#[tokio::test]
async fn one_jar_says_its_version_by_its_name_and_inside() {
    const INSIDE: &str = "catalog/VERSION";
    let probe = || Probe::Jar { pattern: "libs/app-*.jar".to_owned(), inside: Some(INSIDE.to_owned()) };
    let says = |version: &str| format!("name=app\nversion={version}\nrevision=abc123\ntimestamp=1700000000000\n");
    let whole = jar(INSIDE, &says("1.2.0"), true);
    type Case<'a> = (Vec<(&'a str, Vec<u8>)>, &'a str);
    let cases: Vec<Case<'_>> = vec![
        (vec![("app-1.2.0.jar", whole.clone()), ("common-1.2.0.jar", Vec::new())], "1.2.0 by jar libs/app-*.jar"),
        (vec![("app-1.2.0.jar", jar(INSIDE, &says("1.2.0"), false))], "1.2.0 by jar libs/app-*.jar"),
        (vec![("app-1.2.0.jar", jar("other", "1.3.0", true))], "1.2.0 by jar libs/app-*.jar"),
        (
            vec![("app-1.2.0.jar", jar(INSIDE, &says("1.1.7"), true))],
            "the probes disagree on the release: app-1.2.0.jar says 1.2.0, catalog/VERSION inside it says 1.1.7",
        ),
        (vec![("app-1.2.0.jar", whole.clone()), ("app-1.1.7.jar", whole.clone())], "app-1.1.7.jar and app-1.2.0.jar"),
        (vec![("app-1.2.0.jar", whole.clone()), ("app-old.jar", whole.clone())], "app-1.2.0.jar and app-old.jar"),
        (vec![("app-old.jar", whole.clone())], "app-old.jar has no version in its name"),
        (vec![], "no file matches libs/app-*.jar"),
        // One that is still being copied.
        (vec![("app-1.2.0.jar", whole[..whole.len() / 2].to_vec())], "app-1.2.0.jar is not whole"),
        (vec![("app-1.2.0.jar", Vec::new())], "app-1.2.0.jar is not whole"),
    ];
    for (jars, expect) in cases {
        let tree = Tree::new(&[("r/libs/README", "")], None);
        for (name, bytes) in &jars {
            crate::durable::write(&tree.0.path().join("r/libs").join(name), bytes).unwrap();
        }
        let said = outcome(&tree.release("r", vec![probe()])).await;
        assert!(said.contains(expect), "{said}, not {expect}");
    }
    // Whatever is broken in it, nothing but its version or an error comes of it.
    let tree = Tree::new(&[("r/libs/README", "")], None);
    for at in 0..whole.len() {
        let mut broken = whole.clone();
        broken[at] ^= 0x41;
        crate::durable::write(&tree.0.path().join("r/libs/app-1.2.0.jar"), &broken).unwrap();
        let said = outcome(&tree.release("r", vec![probe()])).await;
        assert!(said.starts_with("1.2.0 ") || said.contains("app-1.2.0.jar"), "byte {at}: {said}");
    }
}
