//! Lists that are read page by page, in the order of their names or newest first.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::UnixMillis;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;

/// Items on a page, unless asked for otherwise.
const PAGE_DEFAULT: u32 = 50;

/// Most items on a page.
const PAGE_MAX: u32 = 200;

/// Which page is asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Asks for the next page; absent on the last one. A page may be short, or even empty, and not be the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// A page as it is read from the store.
pub(super) struct PageOf {
    /// What the page before ended with; empty for the first page.
    pub(super) after: String,
    pub(super) limit: u32,
}

impl PageQuery {
    pub(super) fn read(self) -> Result<PageOf, Problem> {
        PageOf::read(self.cursor.as_deref(), self.limit)
    }
}

impl PageOf {
    pub(super) fn read(cursor: Option<&str>, limit: Option<u32>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(Problem::QueryUnexpected);
        }
        let after = match cursor {
            None => String::new(),
            Some(cursor) => read_cursor(cursor).ok_or(Problem::QueryUnexpected)?,
        };
        Ok(Self { after, limit })
    }

    /// Of a list that is newest first: the moment and the name that the page before ended with.
    pub(super) fn before(&self) -> Result<Option<(UnixMillis, &str)>, Problem> {
        if self.after.is_empty() {
            return Ok(None);
        }
        let place = self.after.split_once('.');
        let place = place.and_then(|(at, name)| Some((UnixMillis(at.parse().ok()?), name)));
        place.map(Some).ok_or(Problem::QueryUnexpected)
    }

    /// What asks for the page after one of a list that is newest first, if that page is full: the moment and the name
    /// that it ends with are `last`.
    pub(super) fn next_older(&self, count: usize, last: Option<(UnixMillis, &str)>) -> Option<String> {
        self.next_cursor(count, last.map(|(at, name)| format!("{}.{name}", at.0)).as_deref())
    }

    /// What asks for the page after one that ends with `last`, if that page is full.
    pub(super) fn next_cursor(&self, count: usize, last: Option<&str>) -> Option<String> {
        let is_full = u32::try_from(count).is_ok_and(|count| count == self.limit);
        last.filter(|_| is_full).map(write_cursor)
    }
}

/// What asks for the page after one that ends there.
pub(super) fn write_cursor(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

fn read_cursor(cursor: &str) -> Option<String> {
    let name = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    // No name has a NUL, and PostgreSQL takes none.
    (!name.contains('\0')).then_some(name)
}

/// A path that names something: what is no unreserved character (RFC 3986, section 2.3) is percent-encoded.
pub(super) fn location(collection: &str, name: &str) -> String {
    let mut path = format!("{collection}/");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}
