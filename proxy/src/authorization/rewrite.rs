//! What a backend says of its own address, said of the proxy's. Everything else stays as it came, byte for byte.

use http::uri::{Authority, PathAndQuery};
use protocol::json::{Kind, Reader};
use protocol::malformed::Malformed;

/// Address of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `http://host:port`.
    pub(super) origin: String,
    /// The path, without a slash at the end (empty for the root).
    pub(super) path: String,
}

/// A challenge with its metadata elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// The header's value.
    pub(super) value: String,
    /// Where the backend said that its metadata is, on its own origin.
    pub(super) announced: PathAndQuery,
}

/// Rewrites `resource` in a metadata document, if it names the resource at `theirs`, or what that is part of. `None`:
/// it stays as it is.
///
/// # Errors
/// The document is not one JSON object that all read alike.
pub(super) fn resource(body: &[u8], theirs: &Address, ours: &Address) -> Result<Option<Vec<u8>>, Malformed> {
    let mut reader = Reader::new(body)?;
    let mut object = reader.object()?;
    let mut resource = None;
    while let Some(key) = reader.key(&mut object)? {
        let value = reader.value()?;
        if key == "resource" && value.kind == Kind::Text {
            resource = Some(value);
        }
    }
    reader.finish()?;
    let Some(resource) = resource else { return Ok(None) };
    let text = Reader::over(resource.raw).text()?;
    let Some(named) = text.and_then(|text| readdressed(&text, theirs, ours)) else { return Ok(None) };
    let (before, after) = (body.get(..resource.start), body.get(resource.end()..));
    let quoted = serde_json::Value::from(named).to_string();
    Ok(before.zip(after).map(|(before, after)| [before, quoted.as_bytes(), after].concat()))
}

/// The same resource at our address, if it is theirs.
fn readdressed(named: &str, theirs: &Address, ours: &Address) -> Option<String> {
    let path = path_on(named, &theirs.origin)?;
    let (path, slash) = path.strip_suffix('/').map_or((path, ""), |path| (path, "/"));
    match theirs.path.strip_prefix(path)? {
        "" => Some(format!("{}{}{slash}", ours.origin, ours.path)),
        // The resource is all of the origin, or a part of it that only the backend tells from the rest.
        rest if path.is_empty() || rest.starts_with('/') => Some(format!("{}{slash}", ours.origin)),
        _ => None,
    }
}

/// Rewrites every `resource_metadata` of a challenge (RFC 9728, section 5.1) that lies on the origin of `theirs` to
/// `place`. `None`: there is none, and it stays as it is.
pub(super) fn challenge(value: &str, theirs: &Address, place: &str) -> Option<Challenge> {
    let mut rewritten = String::with_capacity(value.len() + place.len());
    let mut announced = None;
    for piece in pieces(value) {
        let url = piece.metadata_url();
        let path = url.and_then(|url| path_on(url, &theirs.origin));
        let path = path.map(|path| if path.starts_with('/') { path } else { "/" });
        match (url, path.and_then(|path| path.parse::<PathAndQuery>().ok())) {
            (Some(url), Some(path)) => {
                announced = Some(path);
                rewritten.push_str(&piece.text.replacen(url, place, 1));
            }
            _ => rewritten.push_str(piece.text),
        }
    }
    announced.map(|announced| Challenge { value: rewritten, announced })
}

/// Up to a comma or a space outside of quotes: a scheme, or one parameter.
struct Piece<'a> {
    text: &'a str,
}

impl<'a> Piece<'a> {
    /// The URL, if this is the parameter that has it; also without the quotes that it should be in.
    fn metadata_url(&self) -> Option<&'a str> {
        let (name, value) = self.text.trim_end_matches([',', ' ', '\t']).split_once('=')?;
        let is_metadata = name.eq_ignore_ascii_case("resource_metadata");
        let url = value.strip_prefix('"').map_or(Some(value), |value| value.strip_suffix('"'))?;
        // An escape in a URL is no URL.
        (is_metadata && !url.contains(['"', '\\'])).then_some(url)
    }
}

/// All of a value, in pieces. Each ends with the comma or the space after it.
fn pieces(value: &str) -> impl Iterator<Item = Piece<'_>> {
    let (mut in_quotes, mut escaped) = (false, false);
    value
        .split_inclusive(move |character| {
            let ends = !in_quotes && matches!(character, ',' | ' ' | '\t');
            match character {
                _ if escaped => escaped = false,
                '\\' if in_quotes => escaped = true,
                '"' => in_quotes = !in_quotes,
                _ => {}
            }
            ends
        })
        .map(|text| Piece { text })
}

/// The path and query of a URL on an origin, as they are written; `None` if it lies elsewhere, or has a fragment.
fn path_on<'a>(url: &'a str, origin: &str) -> Option<&'a str> {
    let (scheme, rest) = url.split_once("://")?;
    let (own_scheme, own_authority) = origin.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let is_same = scheme.eq_ignore_ascii_case(own_scheme) && endpoint(authority)? == endpoint(own_authority)?;
    (is_same && !path.contains('#')).then_some(path)
}

/// Host and port of an authority. `@` before them is never right here.
fn endpoint(authority: &str) -> Option<(String, u16)> {
    let authority: Authority = authority.parse().ok().filter(|_| !authority.contains('@'))?;
    Some((authority.host().to_ascii_lowercase(), authority.port_u16().unwrap_or(80)))
}
