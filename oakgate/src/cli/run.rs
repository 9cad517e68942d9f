//! `oakgate up`, `proxy`, `control-plane` and `backup` on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::join::JoinOptions;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  oakgate up --log-format text\n  oakgate up --config gate.yaml\n\n\
                        With no file, a demonstration: settings, keys and state in --data, an MCP and a REST backend \
                        built in, and what to try next on the screen.")]
pub(crate) struct UpOptions {
    /// Settings with both `proxy` and `control_plane`; without it, the demonstration
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the demonstration's keys and state
    #[arg(long, value_name = "FOLDER", default_value = "oakgate-data")]
    pub(crate) data: PathBuf,
    /// Where the demonstration's callers connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where the demonstration serves /metrics, /readyz and the like
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    pub(crate) admin: SocketAddr,
    /// Where the demonstration's control plane serves its API
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub(crate) control_plane: SocketAddr,
}

const PROXY_EXAMPLES: &str = "\
Examples:
  oakgate proxy --config gate.yaml            settings, policy and keys of its own, or proxy.control_plane
  OAKGATE_JOIN=oakgate_join_... oakgate proxy     follows a control plane: the line that `oakgate proxies add` prints
  oakgate proxy --config gate.yaml --join-file gate-1.join

The least that oakgate.yaml says of a proxy that joins:
  proxy:
    name: gate-1
    admin: 127.0.0.1:9090
    listeners:
      - {name: agents, address: '127.0.0.1:8080', auth: api-key}
    backends:
      - {name: notes, kind: mcp, path: /mcp/notes, url: 'http://127.0.0.1:3000/mcp'}
    audit: {directory: audit}";

#[derive(Debug, Args)]
#[command(after_help = PROXY_EXAMPLES)]
pub(crate) struct ProxyOptions {
    /// Settings with `proxy`
    #[arg(long, value_name = "FILE", default_value = "oakgate.yaml")]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) join: JoinOptions,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  oakgate control-plane --config control-plane.yaml")]
pub(crate) struct ControlPlaneOptions {
    /// Settings with `control_plane`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  oakgate backup --config control-plane.yaml --to oakgate-2026-01-31.db\n\nThe copy is a store: \
                  to restore it, stop the control plane and put it in the place of its file."
)]
pub(crate) struct BackupOptions {
    /// Settings with `control_plane`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The copy; a file that is there is never overwritten
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
}
