//! Fetches an issuer's keys, and before that, where they are not told, its metadata.

use config::{FetchUrl, JwksPlace, Jwt};
use http::Uri;
use http::header::{CACHE_CONTROL, HeaderMap};
use serde_json::Value;

use super::jwks::{JWKS_MAX_BYTES, Keys, NoJwks};
use super::jws::strict_object;
use crate::fetch::{self, Fetcher, Wanted};

/// A key set or metadata.
const WANTED: Wanted =
    Wanted { accept: "application/json, application/jwk-set+json", max_bytes: JWKS_MAX_BYTES };

/// Keys, and how long they are fresh if their server says so.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) keys: Keys,
    pub(super) fresh_seconds: Option<u64>,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{0}")]
    Fetch(#[from] fetch::FetchError),
    #[error("the metadata of the issuer is not its own, or names no `jwks_uri` that may be fetched")]
    Metadata,
    #[error("the document {0}")]
    NoJwks(NoJwks),
    #[error("it took too long")]
    TooSlow,
}

impl FetchError {
    /// The error's name, in metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Fetch(fetch::FetchError::Request(_)) | Self::Metadata => "metadata",
            Self::Fetch(error) => error.name(),
            Self::NoJwks(_) => "unreadable",
            Self::TooSlow => "too-slow",
        }
    }
}

/// Fetches the keys. Nothing is kept between two fetches: certificates may have been replaced meanwhile.
pub(super) async fn fetch(settings: &Jwt) -> Result<Fetched, FetchError> {
    let first = match &settings.jwks {
        // A file is not fetched.
        JwksPlace::File(file) => return Err(fetch::FetchError::Request(file.display().to_string()).into()),
        JwksPlace::Url(url) | JwksPlace::Issuer(url) => url,
    };
    let fetcher = Fetcher::new(settings.ca_file.as_deref(), first.uri())?;
    let url = match &settings.jwks {
        JwksPlace::Issuer(issuer) => jwks_uri(&fetcher, settings, issuer).await?,
        _ => first.clone(),
    };
    let (headers, body) = fetcher.get(url.uri().clone(), WANTED).await?;
    let keys = Keys::parse(&body).map_err(FetchError::NoJwks)?;
    Ok(Fetched { keys, fresh_seconds: fresh_seconds(&headers) })
}

/// Where the issuer's metadata says that its keys are (RFC 8414, section 3; OpenID Connect Discovery, section 4).
async fn jwks_uri(fetcher: &Fetcher, settings: &Jwt, issuer: &FetchUrl) -> Result<FetchUrl, FetchError> {
    let issuer = issuer.uri();
    let path = issuer.path().trim_end_matches('/');
    let places = [
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("{path}/.well-known/openid-configuration"),
    ];
    let mut last = None;
    for place in places {
        let mut parts = issuer.clone().into_parts();
        parts.path_and_query = place.parse().ok();
        let uri = Uri::from_parts(parts).map_err(|_| fetch::FetchError::Request(place))?;
        match fetcher.get(uri, WANTED).await {
            Ok((_, body)) => return named_in(&body, settings).ok_or(FetchError::Metadata),
            Err(error @ fetch::FetchError::Status(_)) => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.map_or(FetchError::Metadata, FetchError::Fetch))
}

/// `jwks_uri` of the metadata, if it is of this issuer (RFC 8414, section 3.3).
fn named_in(body: &[u8], settings: &Jwt) -> Option<FetchUrl> {
    let document = strict_object(body)?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    (text("issuer")? == settings.issuer).then(|| FetchUrl::parse(text("jwks_uri")?))?
}

/// `max-age` of `Cache-Control` (RFC 9111, section 5.2.2.1).
fn fresh_seconds(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut directives = values.flat_map(|value| value.split(',')).map(str::trim);
    directives.find_map(|directive| directive.strip_prefix("max-age=")?.parse().ok())
}
