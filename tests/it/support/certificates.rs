//! Certificates for the tests' servers, made by `openssl` as an administrator would.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory of authorities and of what they signed; names are those of the files (`server.pem`, `server.key`).
#[derive(Debug)]
pub(crate) struct Certificates {
    /// Where they are.
    pub(crate) directory: PathBuf,
}

/// Long over.
const OVER: (&str, &str) = ("20200101000000Z", "20210101000000Z");
/// As long as anybody runs the tests.
const LONG: (&str, &str) = ("20200101000000Z", "20491231000000Z");

const CONFIGURATION: &str = "[ca]\ndefault_ca=own\n[own]\ndatabase=DIR/index\nserial=DIR/serial\nnew_certs_dir=DIR\ndefault_md=sha256\n\
    policy=any\nunique_subject=no\n[any]\ncommonName=supplied\n[server]\nsubjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n\
    [client]\nbasicConstraints=CA:FALSE\n[authority]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,digitalSignature\n";

impl Certificates {
    /// An authority `ca`, another `other`, `server` for localhost, the same in `expired`, a `client` whose name is `visitor`, `own`, which
    /// is self-signed and has its name in its subject alone, and `of-old`, good itself, of the authority `old` whose time is over.
    pub(crate) fn make(directory: &Path) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let made = Self { directory: directory.to_owned() };
        std::fs::write(made.file("index"), "").unwrap();
        std::fs::write(made.file("serial"), "01\n").unwrap();
        std::fs::write(made.file("conf"), CONFIGURATION.replace("DIR", &directory.display().to_string())).unwrap();
        for (name, subject) in
            [("ca", "A test's authority"), ("other", "Another authority"), ("own", "localhost"), ("old", "An old authority")]
        {
            made.request(name, subject);
            made.sign(name, name, "authority", if name == "old" { OVER } else { LONG });
        }
        for (name, subject, by, section, time) in [
            ("server", "localhost", "ca", "server", LONG),
            ("expired", "localhost", "ca", "server", OVER),
            ("client", "visitor", "ca", "client", LONG),
            ("of-old", "localhost", "old", "server", LONG),
        ] {
            made.request(name, subject);
            made.sign(name, by, section, time);
        }
        made
    }

    /// One of its files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn request(&self, name: &str, subject: &str) {
        let key = self.file(&format!("{name}.key"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj"]);
        openssl.arg(format!("/CN={subject}")).arg("-keyout").arg(&key).arg("-out").arg(self.file(&format!("{name}.csr")));
        run(openssl);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn sign(&self, name: &str, by: &str, section: &str, (from, until): (&str, &str)) {
        let mut openssl = Command::new("openssl");
        openssl.args(["ca", "-batch", "-notext", "-startdate", from, "-enddate", until, "-extensions", section, "-config"]);
        openssl.arg(self.file("conf")).arg("-in").arg(self.file(&format!("{name}.csr")));
        openssl.arg("-out").arg(self.file(&format!("{name}.pem"))).arg("-keyfile").arg(self.file(&format!("{by}.key")));
        match name == by {
            true => openssl.arg("-selfsign"),
            false => openssl.arg("-cert").arg(self.file(&format!("{by}.pem"))),
        };
        run(openssl);
    }
}

fn run(mut openssl: Command) {
    let said = openssl.output().expect("openssl is there: tests/run installs it");
    assert!(said.status.success(), "{openssl:?}: {}", String::from_utf8_lossy(&said.stderr));
}
