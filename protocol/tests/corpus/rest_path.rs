//! Paths and queries: no careless server takes a path that is accepted for another route, or with other parameters;
//! and arguments are strict JSON.

#[path = "rest_path/servers.rs"]
mod servers;

use protocol::json::Reader;
use protocol::rest::{NormalPath, RestRequest, RouteSource, Routes, call};

use self::servers::Route;

/// The tools of all routes, and what their paths are for a server.
const ROUTES: [Route; 7] = [
    ("POST /", &[]),
    ("POST /v1/{a}/x", &["v1", "{}", "x"]),
    ("POST /v1/all/x", &["v1", "all", "x"]),
    ("POST /v1/{a}", &["v1", "{}"]),
    ("POST /v1/{a}/x/{b}", &["v1", "{}", "x", "{}"]),
    ("POST /task/admin", &["task", "admin"]),
    ("POST /folder/", &["folder", ""]),
];

/// True if the bytes are `path?query` that is accepted.
pub(crate) fn holds(data: &[u8]) -> bool {
    let Ok(target) = std::str::from_utf8(data) else { return false };
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let Ok(normal) = NormalPath::parse(path) else { return false };
    assert_eq!(NormalPath::parse(&normal.to_string()).as_ref(), Ok(&normal));
    stays_in_place(path, &normal);
    let sources = ROUTES.map(|(tool, _)| RouteSource { pattern: tool, tool, resource: None });
    let routes = Routes::compile(&sources).unwrap();
    everyone_takes(&routes, path, &normal);
    let body = br#"{"Body":{"a":1}}"#;
    let request = RestRequest { method: "POST", path, query, content_type: Some(b"application/json"), body };
    let Ok(call) = call(&routes, &request) else { return false };
    Reader::over(&call.arguments).value().unwrap();
    true
}

/// No server goes another way than the one that is decided, also where that is none.
fn everyone_takes(routes: &Routes, path: &str, normal: &NormalPath) {
    let Ok(matched) = routes.find("POST", normal) else { return };
    let decided = matched.map(|matched| {
        (matched.tool, matched.parameters.iter().map(|(_, value)| (*value).to_owned()).collect::<Vec<_>>())
    });
    for server in servers::all() {
        let found = server.find(&ROUTES, path).or_else(|| server.find(&ROUTES, &format!("{path}/")));
        let decided = decided.as_ref().map(|(tool, values)| (*tool, values.clone()));
        assert_eq!(found, decided, "{path} {server:?}");
    }
}

/// Decoded carelessly and again, the path has as many segments as before, and none of dots.
fn stays_in_place(path: &str, normal: &NormalPath) {
    let mut decoded = path.to_owned();
    for _ in 0..3 {
        decoded = servers::decoded(&decoded);
        let names =
            decoded.split(['/', '\\']).map(|segment| segment.split(';').next().unwrap_or_default().trim());
        assert!(names.clone().all(|name| name != "." && name != ".."), "{path}");
        let slash_at_end = usize::from(normal.segments().is_empty() || normal.has_slash_at_end());
        assert_eq!(names.count(), normal.segments().len() + slash_at_end + 1, "{path}");
    }
}
