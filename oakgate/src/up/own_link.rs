//! The link between the two parts of one process: the same as from another machine, over loopback, with a relay token that
//! lasts until the next start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config::{ControlLink, JoinLine};
use control_plane::{ControlPlane, Orgs, OrgsError};
use policy::Document;
use tokio::net::TcpListener;

use super::credentials::Ids;
use crate::exit::Failure;

/// What the proxy of this process is to its control plane.
pub(super) struct OwnProxy {
    /// Its organisation.
    pub(super) org: String,
    /// Its name there.
    pub(super) name: String,
    /// The folder of what was last known to be good.
    pub(super) state_directory: PathBuf,
}

/// Where nothing but links is served, and to this machine only.
pub(super) async fn listen() -> Result<(TcpListener, SocketAddr), Failure> {
    let fault = |error: std::io::Error| Failure::Fault(format!("the link over loopback: {error}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    Ok((listener, address))
}

impl OwnProxy {
    /// Whose proxy it is: the settings say it, or its policy file does.
    ///
    /// # Errors
    /// Neither says it, or they say different things.
    pub(super) fn new(
        proxy: &config::Proxy,
        control_plane: &config::ControlPlane,
        state_directory: PathBuf,
        ids: Ids,
    ) -> Result<Self, Failure> {
        let in_file = proxy.policy_file.as_deref().map(org_in);
        let org = match (&control_plane.org, in_file) {
            (Some(org), Some(Ok(other))) if *org != other => {
                let what = format!(
                    "`{org}`, and the policy in proxy.policy.file is of `{other}`; they must be the same"
                );
                return Err(Failure::Configuration(format!("control_plane.org: {what}")));
            }
            (Some(org), _) => org.clone(),
            (None, Some(org)) => org?,
            (None, None) => {
                let what = "missing: no policy file says whose the proxy beside it is";
                return Err(Failure::Configuration(format!("control_plane.org: {what}")));
            }
        };
        Ok(Self { org, name: ids.proxy(&proxy.name), state_directory })
    }

    /// The link, with a relay token made just now: the one before it ends.
    pub(super) async fn link(
        self,
        control_plane: &ControlPlane,
        orgs: &Orgs,
        address: SocketAddr,
    ) -> Result<ControlLink, Failure> {
        let policy_key = control_plane.policy_public_key().ok_or_else(|| {
            let what = "missing: `up` signs what it sends its proxy; `oakgate keys policy FILE` makes a key";
            Failure::Configuration(format!("control_plane.policy_key_file: {what}"))
        })?;
        let name = &self.name;
        let token = orgs.own_proxy(&self.org, name).await.map_err(|error| match error {
            OrgsError::KeyTaken => Failure::Configuration(format!(
                "proxy.name: `{name}` was revoked in the control plane, or has expired; give the proxy another name"
            )),
            error => Failure::Fault(format!("the relay token of `{name}`: {error}")),
        })?;
        let url = format!("ws://{address}/v1/sync");
        let line = JoinLine::new(&url, token.expose(), &policy_key.to_string(), name)
            .map_err(|error| Failure::Configuration(format!("proxy.name: {error}")))?;
        Ok(ControlLink { org: Some(self.org), ..line.link(self.state_directory, None) })
    }
}

/// Whose policy a file has.
fn org_in(file: &Path) -> Result<String, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Configuration(format!("{shown}: can't be read: {error}")))?;
    match Document::parse(&text) {
        Ok(document) => Ok(document.org().to_owned()),
        Err(errors) => {
            let mut lines: Vec<String> = errors.iter().map(|error| format!("{shown}: {error}")).collect();
            lines.push(
                "the policy says whose this proxy is; with `control_plane.org` it starts without one"
                    .to_owned(),
            );
            Err(Failure::Configuration(lines.join("\n")))
        }
    }
}
