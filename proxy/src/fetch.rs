//! Fetches documents over HTTPS: small ones, whole, from servers that may be slow, hostile or gone.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, USER_AGENT};
use http::uri::Scheme;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use watched_files::{FileError, PemFile, system_authorities};

use crate::causes::{causes, is_of_tls};

/// Fetches. One is made for each fetch, as certificates may have been replaced meanwhile. It takes as long as it takes:
/// whoever waits has a limit.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Media types that are taken.
    pub(crate) accept: &'static str,
    /// The longest body.
    pub(crate) max_bytes: usize,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("there are no authorities to trust: {0}")]
    Authorities(FileError),
    #[error("the body broke off")]
    Body,
    #[error("`{0}` is not a URL that may be fetched")]
    Request(String),
    #[error("status {0}; a redirect is not followed")]
    Status(StatusCode),
    #[error("TLS can't be set up: {0}")]
    Tls(rustls::Error),
    #[error("the body is larger than {0} bytes")]
    TooLong(usize),
    #[error("the server can't be reached: {}", causes(.0))]
    Unreachable(#[from] hyper_util::client::legacy::Error),
}

impl FetchError {
    /// The error's name, in metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Authorities(_) | Self::Tls(_) => "tls",
            Self::Body | Self::TooLong(_) => "body",
            Self::Request(_) => "url",
            Self::Status(_) => "status",
            Self::Unreachable(error) if is_of_tls(error) => "tls",
            Self::Unreachable(_) => "unreachable",
        }
    }
}

impl Fetcher {
    /// One that trusts the authorities in a file, or the system's. What comes from this very machine in plain HTTP may need
    /// none.
    pub(crate) fn new(ca_file: Option<&Path>, first: &Uri) -> Result<Self, FetchError> {
        let is_plain = first.scheme() == Some(&Scheme::HTTP);
        let roots = authorities(ca_file, is_plain).map_err(FetchError::Authorities)?;
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(FetchError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// A document, with the headers that it came with.
    pub(crate) async fn get(&self, uri: Uri, wanted: Wanted) -> Result<(HeaderMap, Bytes), FetchError> {
        match self.get_unless(uri, wanted, None).await? {
            Some(document) => Ok(document),
            None => Err(FetchError::Status(StatusCode::NOT_MODIFIED)),
        }
    }

    /// A document, with the headers that it came with; `None` if it is the one with this entity tag (RFC 9110, section
    /// 13.1.2).
    pub(crate) async fn get_unless(
        &self,
        uri: Uri,
        wanted: Wanted,
        etag: Option<&HeaderValue>,
    ) -> Result<Option<(HeaderMap, Bytes)>, FetchError> {
        let named = uri.path().to_owned();
        let mut request = Request::get(uri).header(ACCEPT, wanted.accept).header(USER_AGENT, "oakgate");
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let request = request.body(Empty::new()).map_err(|_| FetchError::Request(named))?;
        let response: Response<Incoming> = self.0.request(request).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(None),
            status => return Err(FetchError::Status(status)),
        }
        let (head, body) = response.into_parts();
        let body = Limited::new(body, wanted.max_bytes).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                FetchError::TooLong(wanted.max_bytes)
            } else {
                FetchError::Body
            }
        })?;
        Ok(Some((head.headers, body.to_bytes())))
    }
}

/// The entity tag of a document, to ask for another one with.
pub(crate) fn etag(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(ETAG).cloned()
}

fn authorities(ca_file: Option<&Path>, is_plain: bool) -> Result<RootCertStore, FileError> {
    match ca_file {
        Some(file) => PemFile::read(file)?.authorities(),
        None => system_authorities()
            .or_else(|error| if is_plain { Ok(RootCertStore::empty()) } else { Err(error) }),
    }
}

#[cfg(test)]
mod tests;
