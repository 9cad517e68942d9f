//! Query parameters and HTML forms: `a=1&b=2`, percent-encoded, with `+` for a space.

use super::RestRefused;
use crate::percent;

/// The most query parameters.
pub const QUERY_PARAMETERS_MAX: usize = 256;

/// The parameters in their order, decoded. A parameter without `=` has the empty text. A semicolon is refused: some
/// backends split there.
pub(super) fn parameters(query: &str) -> Result<Vec<(String, String)>, RestRefused> {
    if !query.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b'#' | b'\\')) {
        return Err(RestRefused::Query);
    }
    let pieces: Vec<&str> = query.split('&').filter(|piece| !piece.is_empty()).collect();
    if pieces.len() > QUERY_PARAMETERS_MAX {
        return Err(RestRefused::QueryTooLong);
    }
    pieces.into_iter().map(parameter).collect()
}

fn parameter(piece: &str) -> Result<(String, String), RestRefused> {
    let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
    let (name, value) = (decode(name)?, decode(value)?);
    if name.is_empty() { Err(RestRefused::Query) } else { Ok((name, value)) }
}

fn decode(encoded: &str) -> Result<String, RestRefused> {
    let decoded = percent::decode(&encoded.replace('+', " ")).map_err(|_| RestRefused::Query)?;
    if decoded.contains('\0') { Err(RestRefused::Query) } else { Ok(decoded) }
}
