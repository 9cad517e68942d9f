//! A proxy's link to its control plane, as used.

use std::path::{Path, PathBuf};

use http::Uri;
use rustls_pki_types::ServerName;

use super::jwt::is_loopback;
use crate::source::LinkSource;
use crate::{Mistake, RelayToken};

/// How the path of every link ends.
const PATH: &str = "/v1/sync";

/// The control plane that a proxy follows.
#[derive(Clone, Debug)]
pub struct ControlLink {
    /// Where it is.
    pub url: LinkUrl,
    /// What proves to the control plane who this is.
    pub relay_token: RelayTokenPlace,
    /// Whose signatures are good.
    pub policy_keys: PolicyKeysPlace,
    /// The organisation whose documents are taken; `None`: that of the first one.
    pub org: Option<String>,
    /// The folder of what was last known to be good.
    pub state_directory: PathBuf,
    /// The authorities that its certificate must come from; `None` for the system's.
    pub ca_file: Option<PathBuf>,
}

/// Where a relay token is.
#[derive(Clone, Debug)]
pub enum RelayTokenPlace {
    /// The one line of this file.
    File(PathBuf),
    /// Here.
    Given(RelayToken),
}

/// Where the public halves of policy keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyKeysPlace {
    /// In this file, one a line.
    File(PathBuf),
    /// Here: one, as text.
    Given(String),
}

/// A URL that a link may lead to: `wss`, or `ws` on loopback.
#[derive(Clone, Debug)]
pub struct LinkUrl {
    /// The whole of it.
    pub uri: Uri,
    /// The host, an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What its certificate must have; `None` for `ws://`.
    pub server_name: Option<ServerName<'static>>,
}

impl RelayTokenPlace {
    /// The file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file),
            Self::Given(_) => None,
        }
    }
}

impl PolicyKeysPlace {
    /// The file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file),
            Self::Given(_) => None,
        }
    }
}

impl LinkUrl {
    /// Reads one; `None` for any other.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let authority = uri.authority()?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let (server_name, port) = match uri.scheme_str()? {
            "wss" => (Some(ServerName::try_from(host.clone()).ok()?), 443),
            "ws" if is_loopback(authority) => (None, 80),
            _ => return None,
        };
        let port = match authority.port() {
            Some(port) => Some(port.as_u16()).filter(|port| *port != 0)?,
            None if authority.as_str().ends_with(':') => return None,
            None => port,
        };
        let is_plain = !authority.as_str().contains('@') && !text.contains(['#', '?']);
        (is_plain && uri.path().ends_with(PATH)).then_some(Self { uri, host, port, server_name })
    }
}

/// `None` if its URL is a mistake.
pub(super) fn link(source: LinkSource, folder: &Path, mistakes: &mut Vec<Mistake>) -> Option<ControlLink> {
    let Some(url) = LinkUrl::parse(&source.url) else {
        // A password could stand in it, so it is not repeated.
        let what = "must be `wss://HOST/v1/sync`; `ws://` only for a loopback address, as the relay token would be read on \
                    its way";
        mistakes.push(Mistake::at("proxy.control_plane.url", what));
        return None;
    };
    if source.ca_file.is_some() && url.server_name.is_none() {
        let what = "only a control plane whose `url` is `wss://…` has TLS";
        mistakes.push(Mistake::at("proxy.control_plane.ca_file", what));
    }
    Some(ControlLink {
        url,
        relay_token: RelayTokenPlace::File(folder.join(source.relay_token_file)),
        policy_keys: PolicyKeysPlace::File(folder.join(source.policy_key_file)),
        org: source.org,
        state_directory: folder.join(source.state_directory),
        ca_file: source.ca_file.map(|file| folder.join(file)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_has_its_path_and_does_not_repeat_what_may_be_a_password() {
        let source = |url: &str| LinkSource {
            url: url.to_owned(),
            relay_token_file: "token".into(),
            policy_key_file: "keys".into(),
            org: None,
            state_directory: "state".into(),
            ca_file: Some("ca.pem".into()),
        };
        for (url, path) in [
            ("wss://user:s3cret@control.example.com/v1/sync", "proxy.control_plane.url"),
            ("ws://127.0.0.1:8081/v1/sync", "proxy.control_plane.ca_file"),
        ] {
            let mut mistakes = Vec::new();
            link(source(url), Path::new("."), &mut mistakes);
            assert_eq!(mistakes.len(), 1);
            assert!(mistakes[0].path == path && !mistakes[0].what.contains("s3cret"), "{mistakes:?}");
        }
    }

    #[test]
    fn a_link_leads_over_tls_or_to_this_machine() {
        for (text, expected) in [
            ("wss://control.example.com/v1/sync", Some(("control.example.com", 443, true))),
            ("wss://control.example.com:8443/oakgate/v1/sync", Some(("control.example.com", 8443, true))),
            ("wss://10.1.2.3/v1/sync", Some(("10.1.2.3", 443, true))),
            ("wss://[2001:db8::1]:8443/v1/sync", Some(("2001:db8::1", 8443, true))),
            ("ws://127.0.0.1:8081/v1/sync", Some(("127.0.0.1", 8081, false))),
            ("ws://[::1]:8081/v1/sync", Some(("::1", 8081, false))),
            ("ws://localhost/v1/sync", Some(("localhost", 80, false))),
            ("ws://control.example.com/v1/sync", None),
            ("ws://10.1.2.3:8081/v1/sync", None),
            ("https://control.example.com/v1/sync", None),
            ("wss://control.example.com", None),
            ("wss://control.example.com/v1", None),
            ("wss://control.example.com/v1/sync?token=x", None),
            ("wss://control.example.com/v1/sync#x", None),
            ("wss://user:pass@control.example.com/v1/sync", None),
            ("wss://control.example.com:0/v1/sync", None),
            ("wss://control.example.com:/v1/sync", None),
            ("/v1/sync", None),
            ("", None),
        ] {
            let url = LinkUrl::parse(text);
            let found = url.as_ref().map(|url| (url.host.as_str(), url.port, url.server_name.is_some()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
