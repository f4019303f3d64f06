use super::*;

fn location(host: &str) -> Location {
    let (user, database) = ("app".to_owned(), "notes".to_owned());
    Location::MySql { host: host.to_owned(), port: 3306, user, database, ssl_mode: "DISABLED".to_owned() }
}

fn found(text: &str, mode: u32, host: &str) -> Option<String> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".my.cnf");
    std::fs::File::create(&path).and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    let environment = Environment::from([("HOME".to_owned(), home.path().display().to_string())]);
    my_cnf(&location(host), &environment).map(|secret| secret.reveal().to_owned())
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
