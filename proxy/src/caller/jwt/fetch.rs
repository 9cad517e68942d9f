//! Fetches an issuer's keys, and before that, where they are not told, its metadata.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use config::{FetchUrl, JwksPlace, Jwt};
use http::header::{ACCEPT, CACHE_CONTROL, HeaderMap, USER_AGENT};
use http::uri::Scheme;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use watched_files::{FileError, PemFile, system_authorities};

use super::jwks::{JWKS_MAX_BYTES, Keys, NoJwks};
use super::jws::strict_object;
use crate::causes::{causes, is_of_tls};

/// Keys, and how long they are fresh if their server says so.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) keys: Keys,
    pub(super) fresh_seconds: Option<u64>,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("there are no authorities to trust: {0}")]
    Authorities(FileError),
    #[error("the body broke off, or is larger than {JWKS_MAX_BYTES} bytes")]
    Body,
    #[error("`{0}` is not a URL that may be fetched")]
    Request(String),
    #[error("the metadata of the issuer is not its own, or names no `jwks_uri` that may be fetched")]
    Metadata,
    #[error("the document {0}")]
    NoJwks(NoJwks),
    #[error("status {0}; a redirect is not followed")]
    Status(StatusCode),
    #[error("TLS can't be set up: {0}")]
    Tls(rustls::Error),
    #[error("it took too long")]
    TooSlow,
    #[error("the server can't be reached: {}", causes(.0))]
    Unreachable(#[from] hyper_util::client::legacy::Error),
}

impl FetchError {
    /// The error's name, in metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Authorities(_) | Self::Tls(_) => "tls",
            Self::Body => "body",
            Self::Request(_) | Self::Metadata => "metadata",
            Self::NoJwks(_) => "unreadable",
            Self::Status(_) => "status",
            Self::TooSlow => "too-slow",
            Self::Unreachable(error) if is_of_tls(error) => "tls",
            Self::Unreachable(_) => "unreachable",
        }
    }
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// Fetches the keys. Nothing is kept between two fetches: certificates may have been replaced meanwhile.
pub(super) async fn fetch(settings: &Jwt) -> Result<Fetched, FetchError> {
    let first = match &settings.jwks {
        // A file is not fetched.
        JwksPlace::File(file) => return Err(FetchError::Request(file.display().to_string())),
        JwksPlace::Url(url) | JwksPlace::Issuer(url) => url,
    };
    let is_plain = first.uri().scheme() == Some(&Scheme::HTTP);
    let client = client(settings.ca_file.as_deref(), is_plain)?;
    let url = match &settings.jwks {
        JwksPlace::Issuer(issuer) => jwks_uri(&client, settings, issuer).await?,
        _ => first.clone(),
    };
    let (headers, body) = get(&client, url.uri().clone()).await?;
    let keys = Keys::parse(&body).map_err(FetchError::NoJwks)?;
    Ok(Fetched { keys, fresh_seconds: fresh_seconds(&headers) })
}

/// Where the issuer's metadata says that its keys are (RFC 8414, section 3; OpenID Connect Discovery, section 4).
async fn jwks_uri(client: &HttpClient, settings: &Jwt, issuer: &FetchUrl) -> Result<FetchUrl, FetchError> {
    let issuer = issuer.uri();
    let path = issuer.path().trim_end_matches('/');
    let places = [
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("{path}/.well-known/openid-configuration"),
    ];
    let mut last = FetchError::Metadata;
    for place in places {
        let mut parts = issuer.clone().into_parts();
        parts.path_and_query = place.parse().ok();
        let uri = Uri::from_parts(parts).map_err(|_| FetchError::Request(place))?;
        match get(client, uri).await {
            Ok((_, body)) => return named_in(&body, settings).ok_or(FetchError::Metadata),
            Err(error @ FetchError::Status(_)) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// `jwks_uri` of the metadata, if it is of this issuer (RFC 8414, section 3.3).
fn named_in(body: &[u8], settings: &Jwt) -> Option<FetchUrl> {
    let document = strict_object(body)?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    (text("issuer")? == settings.issuer).then(|| FetchUrl::parse(text("jwks_uri")?))?
}

async fn get(client: &HttpClient, uri: Uri) -> Result<(HeaderMap, Bytes), FetchError> {
    let named = uri.to_string();
    let request = Request::get(uri)
        .header(ACCEPT, "application/json, application/jwk-set+json")
        .header(USER_AGENT, "oakgate")
        .body(Empty::new())
        .map_err(|_| FetchError::Request(named))?;
    let response: Response<Incoming> = client.request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let (head, body) = response.into_parts();
    let body = Limited::new(body, JWKS_MAX_BYTES).collect().await.map_err(|_| FetchError::Body)?;
    Ok((head.headers, body.to_bytes()))
}

fn client(ca_file: Option<&Path>, is_plain: bool) -> Result<HttpClient, FetchError> {
    let roots = authorities(ca_file, is_plain).map_err(FetchError::Authorities)?;
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(FetchError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// Those of the file, or the system's. Keys that come from this very machine in plain HTTP may need none.
fn authorities(ca_file: Option<&Path>, is_plain: bool) -> Result<RootCertStore, FileError> {
    match ca_file {
        Some(file) => PemFile::read(file)?.authorities(),
        None => system_authorities()
            .or_else(|error| if is_plain { Ok(RootCertStore::empty()) } else { Err(error) }),
    }
}

/// `max-age` of `Cache-Control` (RFC 9111, section 5.2.2.1).
fn fresh_seconds(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut directives = values.flat_map(|value| value.split(',')).map(str::trim);
    directives.find_map(|directive| directive.strip_prefix("max-age=")?.parse().ok())
}
