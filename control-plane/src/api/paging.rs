//! Lists that are read page by page: how long a page is, and where the next one begins.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::UnixMillis;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use crate::metrics::Metrics;

/// Items on a page, unless asked for otherwise.
const PAGE_DEFAULT: u32 = 50;

/// Most items on a page.
const PAGE_MAX: u32 = 200;

/// Bytes of the items on a page. With the one that goes beyond, it ends.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

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

    /// The page of what was read, as many rows at most as it may have; `place` of the row that it ends with is where the
    /// next one begins.
    pub(super) fn fill<R, T: Serialize>(
        &self,
        rows: Vec<R>,
        metrics: &Metrics,
        place: impl Fn(&R) -> String,
        document: impl Fn(R) -> T,
    ) -> Page<T> {
        let mut filling = Filling::new(self.limit);
        for row in rows {
            let end = place(&row);
            if filling.add(document(row), metrics) {
                return filling.page(Some(&end));
            }
        }
        filling.page(None)
    }
}

/// Where a list that is newest first goes on after this moment and name.
pub(super) fn older(at: UnixMillis, name: &str) -> String {
    format!("{}.{name}", at.0)
}

/// Items of a page that is being filled.
pub(super) struct Filling<T> {
    items: Vec<T>,
    limit: u32,
    bytes: usize,
}

impl<T: Serialize> Filling<T> {
    pub(super) const fn new(limit: u32) -> Self {
        Self { items: Vec::new(), limit, bytes: 0 }
    }

    /// Adds the next item; true if it is the last one for which there is room.
    pub(super) fn add(&mut self, item: T, metrics: &Metrics) -> bool {
        self.bytes = self.bytes.saturating_add(bytes(&item));
        self.items.push(item);
        let has_all = u32::try_from(self.items.len()).is_ok_and(|count| count >= self.limit);
        if !has_all && self.bytes >= PAGE_BYTES_MAX {
            metrics.limit_reached("page_bytes");
        }
        has_all || self.bytes >= PAGE_BYTES_MAX
    }

    /// The page, and where the next one begins if there may be one.
    pub(super) fn page(self, end: Option<&str>) -> Page<T> {
        Page { items: self.items, next_cursor: end.map(write_cursor) }
    }
}

/// The length of an item as JSON.
fn bytes(item: &impl Serialize) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What is no JSON is not answered anyway.
    let _ = serde_json::to_writer(&mut count, item);
    count.0
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
