//! The control plane's API, as commands use it: JSON over HTTP, a credential from a file, problems told to people.

mod connection;
mod refusal;

use std::borrow::Cow;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use ureq::http::{Method, Request};
use zeroize::Zeroizing;

pub(crate) use self::refusal::ApiError;
use self::refusal::Refusal;
use crate::cli::{ApiOptions, RunnerOptions, ServerOptions};
use crate::exit::Failure;
use crate::terminal::{complain, visible};

/// Longest answer that is read: the largest policy, and as much again for how it is written.
const ANSWER_BYTES_MAX: u64 = 2 * policy::document::DOCUMENT_BYTES_MAX as u64;

/// What `If-Match` says so that a policy is only put where none is in force yet.
pub(crate) const NONE_YET: &str = "\"0\"";

/// Items on a page that is asked for: the most that the API gives.
const PAGE_ITEMS: usize = 200;

/// How long to wait before a write whose connection broke is sent once more.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The API of one control plane, with a credential for it.
#[derive(Debug)]
pub(crate) struct Api {
    url: String,
    /// `None` for what anybody may read.
    bearer: Option<Bearer>,
    agent: ureq::Agent,
}

/// A body of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body<'b> {
    None,
    Json(&'b Value),
    /// JSON, letter for letter.
    Text(&'b str),
    Yaml(&'b str),
}

/// An answer that says yes.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The version of what it shows, as it was sent.
    pub(crate) etag: Option<String>,
    /// It is the answer to an earlier request with the same `Idempotency-Key`.
    pub(crate) is_repeated: bool,
    pub(crate) text: String,
}

/// `Bearer` and a secret.
struct Bearer(Zeroizing<String>);

impl Api {
    /// With a management key, or a person's session where one is named.
    pub(crate) fn open(options: &ApiOptions) -> Result<Self, Failure> {
        match &options.session_file {
            Some(file) => Self::with(&options.server, file, "name a person's session with --session-file"),
            None => Self::with(
                &options.server,
                &options.key_file,
                "this needs a management key; name its file with --key-file, or with OAKGATE_KEY_FILE",
            ),
        }
    }

    /// With the key of a program or an agent.
    pub(crate) fn runner(options: &RunnerOptions) -> Result<Self, Failure> {
        Self::with(&options.server, &options.key_file, "name the file of a standard or an agent's key")
    }

    /// Without a credential.
    pub(crate) fn open_to_all(server: &ServerOptions) -> Result<Self, Failure> {
        let url = server.url.trim_end_matches('/').to_owned();
        if !connection::is_url(&url) {
            let url = visible(&url);
            return Err(Failure::Input(format!(
                "--url: must begin with `http://` or `https://`, not `{url}`"
            )));
        }
        Ok(Self { url, bearer: None, agent: connection::agent(server)? })
    }

    /// With the credential in `file`; `hint` says what to do if it can't be read.
    pub(crate) fn with(server: &ServerOptions, file: &Path, hint: &str) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(file).map(Zeroizing::new);
        let text = text
            .map_err(|error| Failure::Input(format!("{}: can't be read: {error}\n{hint}", file.display())))?;
        let secret = text.trim();
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            let file = file.display();
            return Err(Failure::Input(format!("{file}: must hold one key or session, and nothing else")));
        }
        let bearer = Some(Bearer(Zeroizing::new(format!("Bearer {secret}"))));
        Ok(Self { bearer, ..Self::open_to_all(server)? })
    }

    /// Reads something.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, ApiError> {
        self.get_as(path, "application/json")
    }

    /// Reads something in the given media type.
    pub(crate) fn get_as(&self, path: &str, media_type: &str) -> Result<Answer, ApiError> {
        let request = self.request(Method::GET, path).header("accept", media_type);
        self.send(request.body(()).map_err(ureq::Error::from))
    }

    /// Reads one JSON document.
    pub(crate) fn show(&self, path: &str) -> Result<Value, ApiError> {
        self.get(path)?.json()
    }

    /// Reads a list, page by page, until `limit` items are there or no more.
    pub(crate) fn list(&self, path: &str, limit: usize) -> Result<Vec<Value>, ApiError> {
        let mut items: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        while items.len() < limit {
            let page = (limit - items.len()).min(PAGE_ITEMS).to_string();
            let asked = query(path, &[("limit", Some(&page)), ("cursor", cursor.as_deref())]);
            let mut answer = self.show(&asked)?;
            let found = answer.get_mut("items").and_then(Value::as_array_mut);
            items.append(found.ok_or(ApiError::Unreadable)?);
            match answer.get("next_cursor").and_then(Value::as_str) {
                Some(next) if cursor.as_deref() != Some(next) => cursor = Some(next.to_owned()),
                _ => break,
            }
        }
        Ok(items)
    }

    /// Changes something. If the connection breaks, the same request is sent once more: its `Idempotency-Key` sees to it
    /// that it is done once.
    pub(crate) fn write(
        &self,
        method: &Method,
        path: &str,
        body: Body<'_>,
        if_match: Option<&str>,
    ) -> Result<Answer, ApiError> {
        let key = idempotency_key()?;
        let fields = [("idempotency-key", Some(key.as_str())), ("if-match", if_match)];
        let send = || self.send_body(method, path, body, &fields);
        match send() {
            Err(ApiError::Unreachable { error, .. }) if connection::is_broken(&error) => {
                complain(format!("{}: {error}; trying once more", self.url));
                sleep(RETRY_AFTER);
                send()
            }
            sent => sent,
        }
    }

    /// Posts something that the API does once, whoever repeats it: it is never sent again.
    pub(crate) fn post_once(&self, path: &str, body: Body<'_>) -> Result<Answer, ApiError> {
        self.send_body(&Method::POST, path, body, &[])
    }

    /// Sends a request with those fields that have a value.
    fn send_body(
        &self,
        method: &Method,
        path: &str,
        body: Body<'_>,
        fields: &[(&str, Option<&str>)],
    ) -> Result<Answer, ApiError> {
        let (media_type, text) = match body {
            Body::None => (None, Cow::Borrowed("")),
            Body::Json(value) => (Some("application/json"), Cow::Owned(value.to_string())),
            Body::Text(text) => (Some("application/json"), Cow::Borrowed(text)),
            Body::Yaml(text) => (Some("application/yaml"), Cow::Borrowed(text)),
        };
        let own = [("accept", Some("application/json")), ("content-type", media_type)];
        let request = self.request(method.clone(), path);
        let request = own.iter().chain(fields).fold(request, |request, (name, value)| match value {
            Some(value) => request.header(*name, *value),
            None => request,
        });
        match media_type {
            Some(_) => self.send(request.body(&*text).map_err(ureq::Error::from)),
            None => self.send(request.body(()).map_err(ureq::Error::from)),
        }
    }

    fn request(&self, method: Method, path: &str) -> ureq::http::request::Builder {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        match &self.bearer {
            Some(bearer) => request.header("authorization", bearer.0.as_str()),
            None => request,
        }
    }

    fn send(&self, request: Result<Request<impl ureq::AsSendBody>, ureq::Error>) -> Result<Answer, ApiError> {
        let unreachable = |error| ApiError::Unreachable { url: self.url.clone(), error };
        let mut response = self.agent.run(request.map_err(unreachable)?).map_err(unreachable)?;
        let reader = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let text = reader.read_to_string().map_err(unreachable)?;
        if !response.status().is_success() {
            let refusal = Refusal::read(response.status().as_u16(), &text);
            return Err(ApiError::Refused(Box::new(refusal)));
        }
        let field = |name: &str| response.headers().get(name).and_then(|field| field.to_str().ok());
        Ok(Answer {
            etag: field("etag").map(str::to_owned),
            is_repeated: field("idempotency-replayed").is_some(),
            text,
        })
    }
}

impl Answer {
    /// The answer as JSON.
    pub(crate) fn json(&self) -> Result<Value, ApiError> {
        serde_json::from_str(&self.text).map_err(|_| ApiError::Unreadable)
    }
}

/// One segment of a path, such as a rule's id, with everything escaped that would end it or change its place.
pub(crate) fn segment(name: &str) -> String {
    let is_dots = name.bytes().all(|byte| byte == b'.');
    escape(name, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') || (byte == b'.' && !is_dots)
    })
}

/// A path with those parameters that have a value.
pub(crate) fn query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut asked = path.to_owned();
    for (name, value) in parameters {
        let Some(value) = value else { continue };
        asked.push(if asked.contains('?') { '&' } else { '?' });
        asked.push_str(name);
        asked.push('=');
        asked.push_str(&escape(value, |byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)));
    }
    asked
}

/// Percent-encoding (RFC 3986, section 2.1) of every byte that is not plain.
fn escape(text: &str, is_plain: impl Fn(u8) -> bool) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        if is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        escaped
    })
}

fn idempotency_key() -> Result<String, ApiError> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(ApiError::NoRandomBits)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A member of an answer that is a text, fit for a terminal.
pub(crate) fn text_of(document: &Value, member: &str) -> String {
    visible(document.get(member).and_then(Value::as_str).unwrap_or("?"))
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::{query, segment};

    #[test]
    fn a_name_stays_one_segment() {
        for (name, expected) in [
            ("small-refunds_1.2~", "small-refunds_1.2~"),
            ("a/b?c#d%e f", "a%2Fb%3Fc%23d%25e%20f"),
            ("..", "%2E%2E"),
            (".", "%2E"),
            ("..a", "..a"),
            ("日", "%E6%97%A5"),
        ] {
            assert_eq!(segment(name), expected);
        }
    }

    #[test]
    fn parameters_are_escaped_and_empty_ones_left_out() {
        let asked =
            query("/v1/activity", &[("actor", Some("a&b=c")), ("object", None), ("limit", Some("5"))]);
        assert_eq!(asked, "/v1/activity?actor=a%26b%3Dc&limit=5");
    }
}
