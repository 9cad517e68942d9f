//! The line that joins a proxy to its control plane: where to link to, as whom, and whom to believe.
//!
//! It is made where the control plane is managed, and pasted where the proxy runs. It holds a secret, the relay token.

use std::fmt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::settings::{ControlLink, LinkUrl, PolicyKeysPlace, RelayTokenPlace, is_name};

/// How it begins.
const PREFIX: &str = "oakgate_join_";

/// The longest line that is read.
const LINE_BYTES_MAX: usize = 4096;

/// How relay tokens begin.
const TOKEN_PREFIX: &str = "oak_proxy_";

/// 256 bits as base64url (RFC 4648, section 5) without padding.
const TOKEN_CHARS: usize = 43;

/// The longest text of a policy key.
const POLICY_KEY_BYTES_MAX: usize = 128;

/// What a proxy needs to know to join its control plane.
#[derive(Clone, Debug)]
pub struct JoinLine {
    url: LinkUrl,
    token: RelayToken,
    policy_key: String,
    name: String,
}

/// The secret that opens a proxy's link. Wiped when it is dropped.
#[derive(Clone)]
pub struct RelayToken(Zeroizing<String>);

/// Why a text is no join line. Nothing of the text is repeated: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinLineError {
    /// It begins with something else.
    #[error("not a join line: it must begin with `{PREFIX}`, as `oakgate proxies add` prints it")]
    Prefix,
    /// It is longer than any.
    #[error("not a join line: it is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// What follows is not base64url.
    #[error(
        "the join line is damaged: after `{PREFIX}` there must be base64url; copy all of it, and nothing else"
    )]
    Encoding,
    /// What is encoded is not what it should be.
    #[error(
        "the join line is damaged, or made by another version of oakgate: `oakgate proxies rotate` makes another"
    )]
    Fields,
    /// A proxy must not link to that address.
    #[error("the address of the link must be `wss://HOST/v1/sync`, or `ws://` on loopback")]
    Url,
    /// The token has not the form of one.
    #[error("the relay token must be `{TOKEN_PREFIX}` and {TOKEN_CHARS} characters of base64url")]
    Token,
    /// The policy key has not the form of one.
    #[error("the policy key must be 1 to {POLICY_KEY_BYTES_MAX} letters, digits, `-` or `_`")]
    PolicyKey,
    /// No proxy has such a name.
    #[error("the proxy's name must be 1 to 64 letters, digits, `-`, `_` or `.`")]
    Name,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Fields<'l> {
    url: &'l str,
    token: &'l str,
    policy_key: &'l str,
    name: &'l str,
}

impl JoinLine {
    /// A line of these parts: the address of the link, the relay token, the public half of the policy key as text, and the
    /// proxy's name.
    ///
    /// # Errors
    /// [`JoinLineError`] of the first that is not what it should be.
    pub fn new(url: &str, token: &str, policy_key: &str, name: &str) -> Result<Self, JoinLineError> {
        let url = LinkUrl::parse(url).ok_or(JoinLineError::Url)?;
        let token = RelayToken::parse(token)?;
        if !(1..=POLICY_KEY_BYTES_MAX).contains(&policy_key.len()) || !policy_key.bytes().all(is_base64url) {
            return Err(JoinLineError::PolicyKey);
        }
        if !is_name(name) {
            return Err(JoinLineError::Name);
        }
        Ok(Self { url, token, policy_key: policy_key.to_owned(), name: name.to_owned() })
    }

    /// Whether proxies may link to that address.
    ///
    /// # Errors
    /// [`JoinLineError::Url`].
    pub fn check_url(url: &str) -> Result<(), JoinLineError> {
        LinkUrl::parse(url).map(|_| ()).ok_or(JoinLineError::Url)
    }

    /// Reads what [`JoinLine::to_text`] wrote. White space before and after it does not matter.
    ///
    /// # Errors
    /// [`JoinLineError`]. A part that it does not know is refused, as it may be one that matters.
    pub fn parse(text: &str) -> Result<Self, JoinLineError> {
        let encoded = text.trim_ascii().strip_prefix(PREFIX).ok_or(JoinLineError::Prefix)?;
        if encoded.len() > LINE_BYTES_MAX {
            return Err(JoinLineError::TooLong);
        }
        let json =
            URL_SAFE_NO_PAD.decode(encoded).map(Zeroizing::new).map_err(|_| JoinLineError::Encoding)?;
        let read: Fields<'_> = serde_json::from_slice(&json).map_err(|_| JoinLineError::Fields)?;
        Self::new(read.url, read.token, read.policy_key, read.name)
    }

    /// The line.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let url = self.url.uri.to_string();
        let fields =
            Fields { url: &url, token: self.token.expose(), policy_key: &self.policy_key, name: &self.name };
        let json = Zeroizing::new(serde_json::to_vec(&fields).unwrap_or_default());
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(&*json));
        Zeroizing::new([PREFIX, &encoded].concat())
    }

    /// The link that it leads to. What was last known to be good goes into `state_directory`; `ca_file` has the authorities
    /// of the control plane's certificate, if they are not the system's.
    #[must_use]
    pub fn link(&self, state_directory: PathBuf, ca_file: Option<PathBuf>) -> ControlLink {
        ControlLink {
            url: self.url.clone(),
            relay_token: RelayTokenPlace::Given(self.token.clone()),
            policy_keys: PolicyKeysPlace::Given(self.policy_key.clone()),
            org: None,
            state_directory,
            ca_file,
        }
    }

    /// The proxy's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl RelayToken {
    /// Reads a token.
    ///
    /// # Errors
    /// [`JoinLineError::Token`].
    pub fn parse(text: &str) -> Result<Self, JoinLineError> {
        let random = text.strip_prefix(TOKEN_PREFIX).ok_or(JoinLineError::Token)?;
        let fits = random.len() == TOKEN_CHARS && random.bytes().all(is_base64url);
        if fits { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(JoinLineError::Token) }
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RelayToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayToken(…)")
    }
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests;
