//! REST calls: a method, a path, a query and a body become a tool, a resource and arguments.
//!
//! The path and the body go to the backend as they came, so they are accepted only where every backend, also a
//! lenient one, would see in them what is seen here.

mod arguments;
pub mod openapi;
mod path;
mod query;
mod routes;
mod template;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use thiserror::Error;

use self::arguments::Assembled;
use crate::malformed::Malformed;

pub use path::{NormalPath, PATH_BYTES_MAX, PATH_SEGMENTS_MAX, PathRefused};
pub use query::QUERY_PARAMETERS_MAX;
pub use routes::{Matched, ROUTES_MAX, RouteError, RouteFault, RouteSource, Routes};

/// The longest HTTP method, in bytes.
pub const METHOD_BYTES_MAX: usize = 32;
const GET: &str = "GET";
const HEAD: &str = "HEAD";
const OPTIONS: &str = "OPTIONS";
const TRACE: &str = "TRACE";

/// A request, the backend's own prefix removed from its path.
#[derive(Clone, Copy, Debug)]
pub struct RestRequest<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The path as it came.
    pub path: &'a str,
    /// The query as it came, without the question mark.
    pub query: Option<&'a str>,
    /// The value of `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// The whole body.
    pub body: &'a [u8],
}

/// What policy decides on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestCall<'r> {
    /// The route's tool; without a route, `METHOD /path`.
    pub tool: Cow<'r, str>,
    /// The resource that the route names.
    pub resource: Option<String>,
    /// The HTTP method in lower case.
    pub method: String,
    /// The JSON text of one object: path parameters, query parameters (both as text), members of a JSON body.
    pub arguments: String,
    /// Whether there is a body of which nothing is in the arguments.
    pub body_is_unread: bool,
}

/// Why a REST call is refused before anything is decided; the answer has HTTP status 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, strum::EnumIter, strum::EnumMessage)]
pub enum RestRefused {
    /// The body says that it is JSON, but cannot be read.
    #[error("the body cannot be read: {0}")]
    #[strum(disabled)]
    Body(#[from] Malformed),
    /// The content type names two types, or JSON in another encoding than UTF-8.
    #[error("the content type is ambiguous")]
    ContentType,
    /// The HTTP method is not a word in capitals.
    #[error("the HTTP method is not a word in capitals")]
    Method,
    /// A parameter `_method`, by which some backends take one HTTP method for another.
    #[error("a parameter `_method` is not accepted")]
    MethodOverride,
    /// The path is ambiguous.
    #[error("the path is refused: {0}")]
    #[strum(disabled)]
    Path(#[from] PathRefused),
    /// The query cannot be read, or is ambiguous.
    #[error("the query cannot be read")]
    Query,
    /// Too many query parameters.
    #[error("the query has too many parameters")]
    QueryTooLong,
    /// TRACE, which a server answers with the request itself, receipt and all.
    #[error("TRACE is not passed on")]
    Trace,
    /// A GET, HEAD or OPTIONS with a body. Servers that look for none there take it for the next request, which nobody has
    /// decided.
    #[error("a GET, HEAD or OPTIONS has no body; send a POST")]
    UnexpectedBody,
    /// A name twice among path, query and body, also if only in another case or with brackets.
    #[error("an argument occurs twice")]
    TwiceNamed,
}

impl RestRefused {
    /// The reason's stable name: a metric label, and the word in records and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Body(malformed) => malformed.name(),
            Self::ContentType => "content-type",
            Self::Method => "http-method",
            Self::MethodOverride => "method-override",
            Self::Path(refused) => refused.name(),
            Self::Query => "query",
            Self::QueryTooLong => "query-too-long",
            Self::Trace => "trace",
            Self::TwiceNamed => "argument-twice",
            Self::UnexpectedBody => "unexpected-body",
        }
    }
}

/// Reads a call. A multipart form is not looked into: a backend that takes its method from one must be told not to.
///
/// # Errors
/// Any part of it is malformed or ambiguous.
pub fn call<'r>(routes: &'r Routes, request: &RestRequest<'_>) -> Result<RestCall<'r>, RestRefused> {
    let method = request.method;
    if !is_method(method) {
        return Err(RestRefused::Method);
    }
    if method == TRACE {
        return Err(RestRefused::Trace);
    }
    if matches!(method, GET | HEAD | OPTIONS) && !request.body.is_empty() {
        return Err(RestRefused::UnexpectedBody);
    }
    let path = NormalPath::parse(request.path)?;
    let mut matched = routes.find(method, &path)?;
    if matched.is_none() && method == HEAD {
        // Most servers run what a GET runs, and leave the body out.
        matched = routes.find(GET, &path)?;
    }
    let parameters = matched.as_ref().map_or(&[][..], |matched| &matched.parameters);
    let Assembled { arguments, body_is_unread } = arguments::assemble(parameters, request)?;
    let (tool, resource) = match &matched {
        Some(matched) => (Cow::Borrowed(matched.tool), matched.resource.clone()),
        None => (Cow::Owned(format!("{method} {path}")), None),
    };
    Ok(RestCall { tool, resource, method: method.to_ascii_lowercase(), arguments, body_is_unread })
}

/// One word in capitals: methods are case-sensitive, but not every backend takes them so.
fn is_method(method: &str) -> bool {
    (1..=METHOD_BYTES_MAX).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase())
}
