//! The demonstration: two small backends that do something real in memory, so that a newcomer has tools to call.

mod notes;
mod shop;

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::exit::Failure;

/// The demonstration's backends, running.
#[derive(Debug)]
pub(crate) struct Demo {
    /// An MCP server.
    pub(crate) notes: SocketAddr,
    /// A REST service.
    pub(crate) shop: SocketAddr,
}

/// Starts both backends on ports that the system chooses. They end with the program.
pub(crate) async fn start() -> Result<Demo, Failure> {
    let fault =
        |error: std::io::Error| Failure::Fault(format!("a demonstration backend can't listen: {error}"));
    let notes = TcpListener::bind("127.0.0.1:0").await.map_err(fault)?;
    let shop = TcpListener::bind("127.0.0.1:0").await.map_err(fault)?;
    let demo = Demo { notes: notes.local_addr().map_err(fault)?, shop: shop.local_addr().map_err(fault)? };
    tokio::spawn(serve(notes, notes::router()));
    tokio::spawn(serve(shop, shop::router()));
    Ok(demo)
}

async fn serve(listener: TcpListener, router: axum::Router) {
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "a demonstration backend failed");
    }
}
