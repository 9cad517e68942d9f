//! Lists page by page: how long a page is, and where the next one begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Problem;

/// Items on a page, unless asked for otherwise.
const PAGE_DEFAULT: u32 = 50;

/// Most items on a page.
const PAGE_MAX: u32 = 200;

/// How many items a page may have.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(PAGE_DEFAULT);
    if (1..=PAGE_MAX).contains(&limit) { Ok(limit) } else { Err(Problem::QueryUnexpected) }
}

/// Where a page ends, for the client to ask for the next one.
pub(super) fn write_cursor(place: &str) -> String {
    URL_SAFE_NO_PAD.encode(place)
}

/// Where the page before ended.
pub(super) fn read_cursor(cursor: &str) -> Result<String, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| Problem::QueryUnexpected)?;
    String::from_utf8(bytes).map_err(|_| Problem::QueryUnexpected)
}
