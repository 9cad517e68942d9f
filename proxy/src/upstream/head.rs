//! The head of a request to a backend: the caller's, less what is for this hop, less credentials, plus the receipt.

use bytes::Bytes;
use config::{Authorization, BackendUrl};
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Request, Uri, Version};
use http_body_util::Full;

use super::access::Credential;
use crate::caller::has_key;
use crate::header::{is_credential, is_for_proxies_only, is_hop_by_hop, is_made_anew, is_ours, is_read_as};

/// Header of a receipt.
pub(crate) const RECEIPT: HeaderName = HeaderName::from_static("oakgate-receipt");

/// What is sent to a backend.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) target: PathAndQuery,
    pub(crate) body: Bytes,
    /// A receipt for each call, in the order of the calls; none for a message that policy has no say in.
    pub(crate) receipts: Vec<HeaderValue>,
    /// Whether the response will be read on its way.
    pub(crate) plain_response: bool,
    /// Whether it asks for a WebSocket. No other upgrade is ever asked for.
    pub(crate) websocket: bool,
}

impl Outbound {
    /// The request for a backend, made from the caller's, with the proxy's own credential.
    pub(crate) fn request(
        self,
        caller: &Parts,
        url: &BackendUrl,
        authorization: Authorization,
        credential: Option<&Credential>,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut headers = HeaderMap::with_capacity(caller.headers.len() + 2);
        headers.insert(HOST, HeaderValue::from_str(url.authority.as_str())?);
        let named = named_by_connection(&caller.headers);
        for (name, value) in &caller.headers {
            let stays_here = is_hop_by_hop(name)
                || (is_credential(name) && !is_for_backend(name, value, authorization))
                || is_ours(name)
                || is_for_proxies_only(name)
                || credential.is_some_and(|credential| is_read_as(name, credential.header().as_str()))
                || named.contains(name)
                || is_made_anew(name)
                || (self.plain_response && name == ACCEPT_ENCODING);
            if !stays_here {
                headers.append(name, value.clone());
            }
        }
        if let Some(credential) = credential {
            headers.insert(credential.header().clone(), credential.value());
        }
        for receipt in self.receipts {
            headers.append(RECEIPT, receipt);
        }
        if self.websocket {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = caller.method.clone();
        *request.uri_mut() = Uri::from(self.target);
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Gives a request the form of the connection that it is sent on: in HTTP/2 the target is a whole URL, whose authority
/// takes the place of `Host` (RFC 9113, section 8.3.1).
pub(super) fn fit(
    request: &mut Request<Full<Bytes>>,
    is_http2: bool,
    url: &BackendUrl,
) -> Result<(), http::Error> {
    if request.uri().authority().is_some() == is_http2 {
        return Ok(());
    }
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    if is_http2 {
        parts.scheme = Some(url.scheme.clone());
        parts.authority = Some(url.authority.clone());
        request.headers_mut().remove(HOST);
        *request.version_mut() = Version::HTTP_2;
    } else {
        parts.scheme = None;
        parts.authority = None;
        request.headers_mut().insert(HOST, HeaderValue::from_str(url.authority.as_str())?);
        *request.version_mut() = Version::HTTP_11;
    }
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(())
}

/// The caller's OAuth token for the backend. One of the proxy's own keys is none, also where it was sent by mistake.
fn is_for_backend(name: &HeaderName, value: &HeaderValue, authorization: Authorization) -> bool {
    authorization == Authorization::Pass && name == AUTHORIZATION && !has_key(value)
}

/// Removes from a backend's response what is about the one hop between it and this proxy.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(TRANSFER_ENCODING) {
        // Only one of them can be right (RFC 9112, section 6.3), and the body was read by this one.
        headers.remove(CONTENT_LENGTH);
    }
    let named = named_by_connection(headers);
    let hops: Vec<HeaderName> = headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect();
    for name in named.iter().chain(&hops) {
        headers.remove(name);
    }
}

/// Further headers that `Connection` names as its own.
pub(crate) fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use http::uri::Scheme;

    use super::*;

    #[test]
    fn what_reaches_a_backend() {
        let caller = Request::builder()
            .method("POST")
            .uri("/mcp/files")
            .header("host", "gate:8080")
            .header("x-api-key", "oak_live_1")
            .header("authorization", "Bearer oak_live_1")
            .header("X_Api_Key", "oak_live_1")
            .header("oakgate-receipt", "forged")
            .header("Oakgate_Tenant", "forged")
            .header("connection", "keep-alive, x-hop")
            .header("x-hop", "1")
            .header("te", "trailers")
            .header("upgrade", "h2c")
            .header("http2-settings", "AAMAAABkAAQAAP__")
            .header("content-length", "99")
            .header("mcp-session-id", "s")
            .header("x-forwarded-for", "10.0.0.1")
            .header("X_Forwarded_Client_Cert", "By=spiffe://forged")
            .header("cookie", "of=the application")
            .header("proxy_authorization", "Basic eA==")
            .header("x-unknown", "a")
            .header("x-unknown", "b")
            .header("accept-encoding", "gzip");
        let (head, ()) = caller.body(()).unwrap().into_parts();
        let url = BackendUrl {
            scheme: Scheme::HTTPS,
            authority: "tools:3901".parse().unwrap(),
            host: "tools".to_owned(),
            port: 3901,
            path: "/mcp".to_owned(),
        };
        let outbound = Outbound {
            target: PathAndQuery::from_static("/mcp?a=b"),
            body: Bytes::from_static(b"{}"),
            receipts: vec![HeaderValue::from_static("ours")],
            plain_response: true,
            websocket: false,
        };
        let mut request = outbound.request(&head, &url, Authorization::Strip, None).unwrap();
        let sent = |request: &Request<Full<Bytes>>| {
            let mut sent: Vec<String> = request
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            sent.sort();
            sent
        };
        let expected = [
            "cookie: of=the application",
            "host: tools:3901",
            "mcp-session-id: s",
            "oakgate-receipt: ours",
            "x-unknown: a",
            "x-unknown: b",
        ];
        assert_eq!(sent(&request), expected);
        assert_eq!(request.uri(), "/mcp?a=b");
        // A request that was not sent on one connection may be sent on another, of another version.
        fit(&mut request, true, &url).unwrap();
        assert_eq!(request.uri(), "https://tools:3901/mcp?a=b");
        assert!(!request.headers().contains_key(HOST));
        fit(&mut request, false, &url).unwrap();
        assert_eq!(sent(&request), expected);
        assert_eq!((request.uri().to_string().as_str(), request.version()), ("/mcp?a=b", Version::HTTP_11));
    }
}
