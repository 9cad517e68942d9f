//! Revisions of the protocol, and the two eras that they fall into.

use super::HeaderMismatch;
use crate::message::Params;

/// The published revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// HTTP with a separate SSE endpoint.
    V2024_11_05,
    /// Streamable HTTP; the only revision with batches.
    V2025_03_26,
    /// No batches; the header `MCP-Protocol-Version`.
    V2025_06_18,
    /// The last one with a handshake.
    V2025_11_25,
    /// Stateless.
    V2026_07_28,
}

/// How a client and a server speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// With a handshake and sessions: revisions up to 2025-11-25.
    Legacy,
    /// Stateless, each request with its own version: from 2026-07-28 on.
    Modern,
}

impl Revision {
    /// The revision of that name; `None` if it is not published.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "2024-11-05" => Some(Self::V2024_11_05),
            "2025-03-26" => Some(Self::V2025_03_26),
            "2025-06-18" => Some(Self::V2025_06_18),
            "2025-11-25" => Some(Self::V2025_11_25),
            "2026-07-28" => Some(Self::V2026_07_28),
            _ => None,
        }
    }

    /// Its name, which is its date.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The era that it belongs to.
    #[must_use]
    pub const fn era(self) -> Era {
        match self {
            Self::V2024_11_05 | Self::V2025_03_26 | Self::V2025_06_18 | Self::V2025_11_25 => Era::Legacy,
            Self::V2026_07_28 => Era::Modern,
        }
    }
}

impl Era {
    /// The era of one request, from its `MCP-Protocol-Version` headers and its body. A body that names its version
    /// in `_meta` is modern; without that, the header decides, and without either it is legacy. A version that is
    /// not published is a later one, hence modern.
    ///
    /// # Errors
    /// A header differs from what `_meta` says, or from another one.
    pub fn of<'h>(
        protocol_version: impl IntoIterator<Item = &'h [u8]>,
        params: &Params<'_>,
    ) -> Result<Self, HeaderMismatch> {
        let mut said = params.protocol_version.as_deref().map(str::as_bytes);
        for header in protocol_version {
            if **said.get_or_insert(header) != *header {
                return Err(HeaderMismatch::Version);
            }
        }
        match (said, &params.protocol_version) {
            (None, _) => Ok(Self::Legacy),
            (Some(_), Some(_)) => Ok(Self::Modern),
            (Some(header), None) => {
                let revision = std::str::from_utf8(header).ok().and_then(Revision::parse);
                Ok(revision.map_or(Self::Modern, Revision::era))
            }
        }
    }
}
