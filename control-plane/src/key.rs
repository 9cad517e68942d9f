//! Keys: secrets of 256 random bits that programs hold. Shown once; the SHA-256 is kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::store::Tier;

/// Random bytes in a key.
const KEY_BYTES: usize = 32;

/// Those bytes as base64url.
const KEY_CHARS: usize = 43;

/// The first characters of a key, by which people tell keys apart.
const SHOWN_CHARS: usize = 12;

/// A key: its tier's prefix and 43 characters of base64url. Wiped when it is dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Key {
    #[zeroize(skip)]
    tier: Tier,
    text: String,
}

impl Key {
    /// Reads what somebody presents as a key. `None`: it has not the form of one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let tier = Tier::ALL.into_iter().find(|tier| {
            text.strip_prefix(tier.prefix())
                .is_some_and(|bits| bits.len() == KEY_CHARS && bits.bytes().all(is_base64url))
        })?;
        Some(Self { tier, text: text.to_owned() })
    }

    /// A new key.
    pub(crate) fn mint(tier: Tier) -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(bytes.as_mut())?;
        let prefix = tier.prefix();
        let mut text = String::with_capacity(prefix.len() + KEY_CHARS);
        text.push_str(prefix);
        URL_SAFE_NO_PAD.encode_string(bytes.as_ref(), &mut text);
        Ok(Self { tier, text })
    }

    /// The key itself, to be shown to its owner once.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }

    pub(crate) const fn tier(&self) -> Tier {
        self.tier
    }

    /// Lower-case hexadecimal, over the whole key.
    pub(crate) fn sha256(&self) -> String {
        Sha256::digest(self.text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Its first characters.
    pub(crate) fn shown(&self) -> &str {
        self.text.get(..SHOWN_CHARS).unwrap_or_default()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}
