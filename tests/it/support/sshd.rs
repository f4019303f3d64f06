//! A real OpenSSH server on loopback, one for each that asks: one account, one key, SFTP alone, in a chroot where root starts it.
//!
//! `tests/run` installs it. Without it a test is skipped loudly; with `CI` or `REQUIRE_SERVERS` set that is a failure.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The server; it ends with this value.
pub(crate) struct Sshd {
    child: Child,
    dir: tempfile::TempDir,
    address: SocketAddr,
    is_root: bool,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn keygen(path: &Path) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path);
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
}

impl Sshd {
    /// Starts one; `None` (said loudly) where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let program = Path::new("/usr/sbin/sshd");
        if !program.exists() {
            super::skipped("no sshd found (tests/run installs openssh-server)", super::SERVERS);
            return None;
        }
        let is_root = rustix::process::geteuid().is_root();
        // All that leads to a chroot must be root's alone, and what is temporary is everybody's.
        let above = if is_root { PathBuf::from("/run") } else { std::env::temp_dir() };
        let dir = tempfile::Builder::new()
            .prefix("upkeep-sshd-")
            .permissions(PermissionsExt::from_mode(0o755))
            .tempdir_in(above)
            .unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["host", "client", "other"] {
            keygen(&at(name));
        }
        std::fs::copy(at("client.pub"), at("authorized")).unwrap();
        std::fs::DirBuilder::new().mode(0o755).create(at("jail")).unwrap();
        std::fs::DirBuilder::new().mode(0o700).create(at("jail/copies")).unwrap();
        if is_root {
            // It separates itself into this one.
            std::fs::DirBuilder::new().recursive(true).mode(0o755).create("/run/sshd").unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let chroot = if is_root { format!("ChrootDirectory {}\n", at("jail").display()) } else { String::new() };
        let config = format!(
            "ListenAddress {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\nForceCommand internal-sftp\n{chroot}",
            at("host").display(),
            at("authorized").display()
        );
        std::fs::write(at("config"), config).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program).args(["-D", "-e", "-f"]).arg(at("config"));
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        let mut server = Self { child, dir, address: port, is_root };
        while TcpStream::connect(server.address).is_err() {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none(), "sshd ended: {}", std::fs::read_to_string(server.dir.path().join("log")).unwrap());
            std::thread::yield_now();
        }
        Some(server)
    }

    /// The directory for copies, as this host sees it.
    pub(crate) fn copies(&self) -> PathBuf {
        self.dir.path().join("jail/copies")
    }

    /// The same as a client sees it.
    pub(crate) fn path(&self) -> String {
        if self.is_root { "/copies".to_owned() } else { self.copies().display().to_string() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Who logs in.
    pub(crate) fn user(&self) -> String {
        let output = Command::new("id").arg("-un").output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The file of the private key that it lets in.
    pub(crate) fn key(&self) -> PathBuf {
        self.dir.path().join("client")
    }

    /// One that it does not.
    pub(crate) fn other_key(&self) -> PathBuf {
        self.dir.path().join("other")
    }

    /// Its own public key.
    pub(crate) fn host_key(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("host.pub")).unwrap().trim().to_owned()
    }
}
