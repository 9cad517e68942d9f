//! The proxy as an OAuth protected resource (RFC 9728): callers without a good token learn where to get one.
//!
//! Each backend of a listener that takes tokens is a resource of its own, at the URL by which callers reach it.

use std::sync::Arc;

use bytes::Bytes;
use config::{Backend, Listener};
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response};
use serde_json::json;

use crate::body::Body;
use crate::caller::{Audience, Issuer};
use crate::connection::Peer;
use crate::refusal::Refusal;

/// Where the metadata of a protected resource is (RFC 9728, section 3).
pub(crate) const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// A listener's backends as resources.
#[derive(Debug)]
pub(crate) struct Protected {
    issuer: Arc<Issuer>,
    public_url: Option<String>,
    /// Path of each backend, in the order of the settings.
    paths: Vec<String>,
    /// URL of each, if the settings say how callers reach the listener.
    urls: Vec<String>,
    /// Path of each document, and the place of its backend.
    documents: Vec<(String, usize)>,
}

impl Protected {
    /// `routes` are path and place of the backends that the listener serves.
    pub(crate) fn new(
        issuer: &Arc<Issuer>,
        settings: &Listener,
        backends: &[Backend],
        routes: &[(String, usize)],
    ) -> Self {
        let plain = |path: &str| path.trim_end_matches('/').to_owned();
        let paths: Vec<String> = backends.iter().map(|backend| plain(&backend.path)).collect();
        let url = |origin: &String| paths.iter().map(|path| format!("{origin}{path}")).collect();
        let mut documents: Vec<(String, usize)> = routes
            .iter()
            .map(|(path, place)| (format!("{PROTECTED_RESOURCE}{}", plain(path)), *place))
            .collect();
        if let [(_, only)] = routes {
            // Some clients ask for the origin's before they ask for the resource's.
            documents.push((PROTECTED_RESOURCE.to_owned(), *only));
        }
        Self {
            issuer: Arc::clone(issuer),
            public_url: settings.public_url.clone(),
            urls: settings.public_url.as_ref().map(url).unwrap_or_default(),
            paths,
            documents,
        }
    }

    /// Whose tokens are taken for calls to a backend.
    pub(crate) fn audience(&self, place: usize) -> Audience<'_> {
        Audience { issuer: &self.issuer, resource: self.urls.get(place).map(String::as_str) }
    }

    /// The metadata of a resource, if that is what is asked for. It is public.
    pub(crate) fn document(&self, head: &Parts, peer: &Peer) -> Option<Result<Response<Body>, Refusal>> {
        let path = head.uri.path();
        let (_, place) = self.documents.iter().find(|(known, _)| known == path)?;
        if head.method != Method::GET {
            return Some(Err(Refusal::MethodNotAllowed));
        }
        let jwt = &self.issuer.settings;
        let mut scopes: Vec<&String> = jwt.required_scopes.iter().chain(&jwt.scopes_supported).collect();
        scopes.sort();
        scopes.dedup();
        let mut document = json!({
            "resource": format!("{}{}", self.origin(&head.headers, peer), self.path(*place)),
            "authorization_servers": [jwt.issuer],
            "bearer_methods_supported": ["header"],
        });
        if let (Some(document), false) = (document.as_object_mut(), scopes.is_empty()) {
            document.insert("scopes_supported".to_owned(), json!(scopes));
        }
        let mut response = Response::new(Body::Full(Bytes::from(document.to_string())));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Some(Ok(response))
    }

    /// What a refused caller is told of how to be let in (RFC 6750, section 3; RFC 9728, section 5.1); `None` if it is
    /// refused for something else than its credential.
    pub(crate) fn challenge(
        &self,
        (place, head, peer): (usize, &Parts, &Peer),
        refusal: &Refusal,
    ) -> Option<HeaderValue> {
        let error = match (refusal, refusal.wire().status) {
            (Refusal::InsufficientScope, _) => Some("insufficient_scope"),
            // Nothing was presented that could be wrong.
            (Refusal::NoCredential, _) => None,
            (_, 401) => Some("invalid_token"),
            _ => return None,
        };
        let origin = self.origin(&head.headers, peer);
        let place = self.path(place);
        let mut challenge = format!("Bearer resource_metadata=\"{origin}{PROTECTED_RESOURCE}{place}\"");
        if let Some(error) = error {
            challenge.push_str(&format!(", error=\"{error}\", error_description=\"{refusal}\""));
        }
        let scopes = &self.issuer.settings.required_scopes;
        if !scopes.is_empty() {
            challenge.push_str(&format!(", scope=\"{}\"", scopes.join(" ")));
        }
        HeaderValue::try_from(challenge).ok()
    }

    fn path(&self, place: usize) -> &str {
        self.paths.get(place).map_or("", String::as_str)
    }

    /// Scheme, host and port by which this caller reaches the listener; `Host` was checked.
    fn origin(&self, headers: &HeaderMap, peer: &Peer) -> String {
        let scheme = if peer.is_secure { "https" } else { "http" };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        self.public_url.clone().unwrap_or_else(|| format!("{scheme}://{}", host.to_ascii_lowercase()))
    }
}
