use super::*;

fn location(host: &str) -> Location {
    let (user, database) = ("app".to_owned(), "notes".to_owned());
    Location::MySql { host: host.to_owned(), port: 3306, user, database, ssl_mode: "DISABLED".to_owned() }
}

fn found(text: &str, mode: u32, host: &str) -> Option<String> {
    read(text, mode, |environment| my_cnf(&location(host), environment).map(|secret| secret.reveal().to_owned()))
}

fn read<T>(text: &str, mode: u32, with: impl FnOnce(&Environment) -> T) -> T {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".my.cnf");
    std::fs::File::create(&path).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    let environment = Environment::from([("HOME".to_owned(), home.path().display().to_string())]);
    with(&environment)
}

#[test]
fn what_it_says_of_tls_is_taken_as_the_clients_take_it() {
    let tls = |text: &str, in_url: bool| {
        let mut database = Database::at(location("db.example"));
        database.tls.in_url = in_url;
        read(&format!("[client]\n{text}"), 0o644, |environment| super::tls(&mut database, environment));
        let Location::MySql { ssl_mode, .. } = database.location else { panic!() };
        let identity = database.tls.identity.map(|pair| format!(" {} {}", pair.certificate.display(), pair.key.display()));
        let roots = database.tls.roots.map(|roots| format!(" {roots:?}"));
        format!("{ssl_mode}{}{}", roots.unwrap_or_default(), identity.unwrap_or_default())
    };
    for (text, expected) in [
        ("password=x", "DISABLED"),
        ("ssl-mode=required", "REQUIRED"),
        ("ssl_mode=VERIFY_IDENTITY\nssl-ca=/ca.pem", "VERIFY_IDENTITY File(\"/ca.pem\")"),
        ("ssl-ca=/ca.pem", "VERIFY_CA File(\"/ca.pem\")"),
        ("ssl-cert=/c\nssl-key=/k", "REQUIRED /c /k"),
        // Refused by name where it is used, never less than what was asked for.
        ("ssl-ca=ca.pem", "VERIFY_CA File(\"ca.pem\")"),
        ("ssl-capath=/etc/cas", "VERIFY_CA"),
        ("ssl-mode=VERIFY_CA\nssl-capath=/etc/cas", "VERIFY_CA"),
        ("ssl", "REQUIRED"),
        ("ssl=0", "DISABLED"),
        ("ssl-verify-server-cert\nssl-ca=/ca.pem", "VERIFY_IDENTITY File(\"/ca.pem\")"),
        ("host=other.example\nssl-mode=REQUIRED", "DISABLED"),
    ] {
        assert_eq!(tls(text, false), expected, "{text}");
    }
    assert_eq!(tls("ssl-mode=REQUIRED", true), "DISABLED", "the URL says it");
}

#[test]
fn the_password_is_read_as_mysqls_clients_read_it() {
    for (text, expected) in [
        ("[client]\npassword=secret\n", "secret"),
        (
            "[mysqld]\npassword=no\n\n[client]\n# password=no\nuser = app\npassword = secret # mine\n[mysql]\npassword=no\n",
            "secret",
        ),
        ("[client]\npassword=\"a#b c\"\n", "a#b c"),
        ("[client]\npassword='it\\'s\\s\\\\'\n", "it's \\"),
        ("[client]\npassword=first\npassword=second\r\n", "second"),
        ("[client]\nhost=localhost\nsocket=/run/s\npassword=x=y\n", "x=y"),
    ] {
        assert_eq!(found(text, 0o600, "/run/s").as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn a_password_for_somebody_else_or_open_to_others_is_passed_over() {
    assert_eq!(found("[client]\npassword=x\n", 0o640, "/run/s"), None, "the group may read it");
    for text in [
        "[client]\nuser=other\npassword=x\n",
        "[client]\nhost=db.example\npassword=x\n",
        "[client]\nsocket=/run/other\npassword=x\n",
        "[mysql]\npassword=x\n",
        "[client]\npassword\n",
        "[client]\npassword=\n",
    ] {
        assert_eq!(found(text, 0o600, "/run/s"), None, "{text}");
    }
    assert_eq!(found("[client]\nhost=db.example\npassword=x\n", 0o600, "db.example").as_deref(), Some("x"));
}
