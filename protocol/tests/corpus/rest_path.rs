//! Paths and queries: no way of decoding leaves the path that was decided, and arguments are strict JSON.

use protocol::json::Reader;
use protocol::rest::{NormalPath, RestRequest, RouteSource, Routes, call};

/// True if the bytes are `path?query` that is accepted.
pub(crate) fn holds(data: &[u8]) -> bool {
    let Ok(target) = std::str::from_utf8(data) else { return false };
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let Ok(normal) = NormalPath::parse(path) else { return false };
    assert_eq!(NormalPath::parse(&normal.to_string()).as_ref(), Ok(&normal));
    stays_in_place(path, &normal);
    let route = RouteSource { pattern: "GET /v1/{a}/x", tool: "read", resource: Some("{a}") };
    let routes = Routes::compile(&[route]).unwrap();
    let body = br#"{"Body":{"a":1}}"#;
    let request = RestRequest { method: "GET", path, query, content_type: Some(b"application/json"), body };
    let Ok(call) = call(&routes, &request) else { return false };
    Reader::over(&call.arguments).value().unwrap();
    assert_eq!(call.tool == "read", normal.segments().len() == 3 && call.resource.is_some());
    true
}

/// Decoded carelessly and again, the path has as many segments as before, and none of dots.
fn stays_in_place(path: &str, normal: &NormalPath) {
    let mut decoded = path.to_owned();
    for _ in 0..3 {
        decoded = careless(&decoded);
        let names =
            decoded.split(['/', '\\']).map(|segment| segment.split(';').next().unwrap_or_default().trim());
        assert!(names.clone().all(|name| name != "." && name != ".."), "{path}");
        let slash_at_end = usize::from(normal.segments().is_empty() || normal.has_slash_at_end());
        assert_eq!(names.count(), normal.segments().len() + slash_at_end + 1, "{path}");
    }
}

/// Escapes resolved where they can be, everything else left.
fn careless(path: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
