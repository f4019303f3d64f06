//! `upkeep web`: the page of the socket, in a browser of this host.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::session::{self, Reach};
use super::{Stop, World};
use crate::control::web::Web;
use crate::failure::{Class, Failure};

/// Show where everything stands in a browser of this host, until Ctrl-C.
///
/// Prints an address on loopback with a token in it: whoever has the address sees what you may see, and can change nothing. From another
/// host: `ssh -L 8080:/run/upkeep/upkeep.sock HOST`, and open http://localhost:8080/
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The port; a free one when not given.
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
}

/// Where it is.
#[derive(Debug, Serialize)]
struct Address {
    address: String,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let Reach::Daemon(client) = session::asked(world).await?.1 else {
        let failure = Failure::new(Class::Unavailable, "no daemon is running, so there is no page");
        return Err(failure.hint("start it: `systemctl start upkeepd`; without it: `upkeep status`").into());
    };
    // Asked once, so that whoever may not look is told so here and not in a browser.
    client.status().await?;
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let cannot = |error: std::io::Error| {
        let failure = Failure::new(Class::Unavailable, format!("cannot listen on {wanted}: {error}"));
        failure.hint("let it take a free port: `upkeep web` without `--port`")
    };
    let listener = TcpListener::bind(wanted).await.map_err(cannot)?;
    let web = Web::new(client.socket().to_owned());
    let address = format!("http://{}{}", listener.local_addr().map_err(cannot)?, web.path());
    world.terminal.show(&Address { address }, |shown| {
        format!("{}\nopen it in a browser; whoever has this address sees what you may see, until Ctrl-C here", shown.address)
    })?;
    let stop = CancellationToken::new();
    let mut serving = std::pin::pin!(web.serve(listener, stop.clone()));
    tokio::select! {
        () = &mut serving => {}
        () = session::interrupted()? => {
            stop.cancel();
            serving.await;
        }
    }
    Ok(())
}
