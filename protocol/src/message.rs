//! One JSON-RPC 2.0 message, as MCP uses it, read strictly from the bytes of a body.
//!
//! What is decided is what these values say, and they say what every reader of the same bytes would see.

mod params;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use params::Params;
use params::Unchecked;

use crate::fold::same_but_for_case;
use crate::json::{Kind, Reader, Value};
use crate::malformed::Malformed;
use crate::mcp;

/// The longest `id` that is accepted, in bytes of JSON text.
pub const ID_BYTES_MAX: usize = 1024;
/// The most messages in one batch.
pub const BATCH_MESSAGES_MAX: usize = 100;

const ENVELOPE_KEYS: [&str; 6] = ["error", "id", "jsonrpc", "method", "params", "result"];

/// One message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// It has a method and an id: it wants an answer.
    Request(Request<'a>),
    /// It has a method and no id.
    Notification(Notification<'a>),
    /// It answers a request that the server sent.
    Response(Response<'a>),
}

/// A message that wants an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What the answer carries.
    pub id: Id<'a>,
    /// The method's name, escapes resolved.
    pub method: Cow<'a, str>,
    /// Its parameters.
    pub params: Params<'a>,
}

/// A message that wants no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification<'a> {
    /// The method's name, escapes resolved.
    pub method: Cow<'a, str>,
    /// Its parameters.
    pub params: Params<'a>,
}

/// An answer to a request that the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The id of the server's request; `None` if it has none, or `null`.
    pub id: Option<Id<'a>>,
}

/// A request's id: the JSON text of a string or a number, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id<'a>(&'a str);

impl<'a> Id<'a> {
    /// The JSON text, quotes and all.
    #[must_use]
    pub const fn raw(self) -> &'a str {
        self.0
    }

    /// Whether another id is the same to some reader, however it is written: `1` and `1.0`, `"a"` and `"\u0061"`.
    #[must_use]
    pub fn is_same(self, other: Self) -> bool {
        let text = |id: Self| Reader::over(id.0).text().ok().flatten();
        let number = |id: Self| id.0.parse::<f64>().ok();
        let same_number = number(self).is_some() && number(self) == number(other);
        self.0 == other.0 || same_number || text(self).is_some() && text(self) == text(other)
    }

    /// The id that a raw JSON text is; `None` if it is anything but a string or a number.
    #[must_use]
    pub fn from_raw(raw: &'a str) -> Option<Self> {
        let mut reader = Reader::new(raw.as_bytes()).ok()?;
        let value = reader.value().ok()?;
        reader.finish().ok()?;
        Self::read(value)
    }

    const fn read(value: Value<'a>) -> Option<Self> {
        match value.kind {
            Kind::Number | Kind::Text if value.raw.len() <= ID_BYTES_MAX => Some(Self(value.raw)),
            _ => None,
        }
    }
}

impl<'a> Message<'a> {
    /// Reads the one message that a body is.
    ///
    /// # Errors
    /// The body is anything else, or two readers could see two messages in it.
    pub fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body)?;
        if reader.kind()? == Kind::Array {
            return Err(Malformed::Batch);
        }
        let envelope = Envelope::read(&mut reader)?;
        reader.finish()?;
        envelope.message()
    }

    /// Reads a batch of messages, as revision 2025-03-26 allows it. One message that is refused refuses them all.
    ///
    /// # Errors
    /// The body is not an array of messages, the array is empty or too long, or has an `initialize` in it.
    pub fn read_batch(body: &'a [u8]) -> Result<Vec<Self>, Malformed> {
        let mut reader = Reader::new(body)?;
        let mut messages = Vec::new();
        let mut array = reader.array()?;
        while reader.element(&mut array)? {
            if messages.len() >= BATCH_MESSAGES_MAX {
                return Err(Malformed::BatchLength);
            }
            messages.push(Envelope::read(&mut reader)?.message()?);
        }
        reader.finish()?;
        if messages.is_empty() {
            return Err(Malformed::BatchLength);
        }
        if messages.iter().any(|message| message.method() == Some(mcp::INITIALIZE)) {
            return Err(Malformed::InitializeInBatch);
        }
        Ok(messages)
    }

    /// The id of a message that [`Message::read`] refused, so that the refusal can carry it: only from a body that
    /// is one strict JSON object with a good id.
    #[must_use]
    pub fn id_of_refused(body: &'a [u8]) -> Option<Id<'a>> {
        let mut reader = Reader::new(body).ok()?;
        let mut object = reader.object_if().ok()??;
        let mut id = None;
        while let Some(key) = reader.key(&mut object).ok()? {
            let value = reader.value().ok()?;
            match &*key {
                "id" if matches!(key, Cow::Borrowed(_)) => id = Id::read(value),
                key if same_but_for_case(key, "id") => return None,
                _ => {}
            }
        }
        reader.finish().ok()?;
        id
    }

    /// The method of a request or a notification.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match self {
            Self::Request(Request { method, .. }) | Self::Notification(Notification { method, .. }) => {
                Some(method)
            }
            Self::Response(_) => None,
        }
    }

    /// The id of a request; nothing else wants an answer.
    #[must_use]
    pub const fn id(&self) -> Option<Id<'a>> {
        if let Self::Request(request) = self { Some(request.id) } else { None }
    }

    /// The parameters of a request or a notification.
    #[must_use]
    pub const fn params(&self) -> Option<&Params<'a>> {
        match self {
            Self::Request(Request { params, .. }) | Self::Notification(Notification { params, .. }) => {
                Some(params)
            }
            Self::Response(_) => None,
        }
    }
}

/// What stands in the message's object, before it is known what kind of message it is.
#[derive(Default)]
struct Envelope<'a> {
    version: Option<Cow<'a, str>>,
    id: Option<Value<'a>>,
    /// `Some(None)` if it is not text.
    method: Option<Option<Cow<'a, str>>>,
    params: Unchecked<'a>,
    has_result: bool,
    has_error: bool,
}

impl<'a> Envelope<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let mut envelope = Self::default();
        let mut escaped = false;
        let Some(mut object) = reader.object_if()? else { return Err(Malformed::NotAnObject) };
        while let Some(key) = reader.key(&mut object)? {
            // A key with escapes in it is one that the reader had to copy.
            escaped |= matches!(&key, Cow::Owned(key) if ENVELOPE_KEYS.contains(&key.as_str()));
            match &*key {
                "jsonrpc" => envelope.version = reader.text()?,
                "id" => envelope.id = Some(reader.value()?),
                "method" => envelope.method = Some(name(reader)?),
                "params" => envelope.params = Unchecked::read(reader)?,
                "result" => {
                    envelope.has_result = true;
                    reader.skip()?;
                }
                "error" => {
                    envelope.has_error = true;
                    reader.skip()?;
                }
                key => {
                    refuse_case_variant(key, &ENVELOPE_KEYS)?;
                    reader.skip()?;
                }
            }
        }
        if escaped { Err(Malformed::EscapedKey) } else { Ok(envelope) }
    }

    fn message(self) -> Result<Message<'a>, Malformed> {
        if self.version.as_deref() != Some("2.0") {
            return Err(Malformed::WrongVersion);
        }
        match (self.method, self.has_result, self.has_error) {
            (None, true, false) | (None, false, true) => Ok(Message::Response(response(self.id)?)),
            (None, false, false) => Err(Malformed::MissingMethod),
            (Some(None), false, false) => Err(Malformed::BadMethod),
            (Some(Some(method)), false, false) => with_method(method, self.id, self.params),
            _ => Err(Malformed::MixedMessage),
        }
    }
}

fn with_method<'a>(
    method: Cow<'a, str>,
    id: Option<Value<'a>>,
    params: Unchecked<'a>,
) -> Result<Message<'a>, Malformed> {
    if method == mcp::TOOLS_CALL && id.is_none() {
        return Err(Malformed::CallWithoutId);
    }
    let params = params.check(&method)?;
    match id {
        None => Ok(Message::Notification(Notification { method, params })),
        Some(id) => {
            let id = Id::read(id).ok_or(Malformed::BadId)?;
            Ok(Message::Request(Request { id, method, params }))
        }
    }
}

/// An answer's id may be `null` or lack: that of an error about a request that could not be read.
fn response(id: Option<Value<'_>>) -> Result<Response<'_>, Malformed> {
    match id {
        None | Some(Value { kind: Kind::Null, .. }) => Ok(Response { id: None }),
        Some(id) => Ok(Response { id: Some(Id::read(id).ok_or(Malformed::BadId)?) }),
    }
}

/// Reads a name, if it is text. Some readers stop at a NUL, and would see another name.
fn name<'a>(reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>, Malformed> {
    let name = reader.text()?;
    if name.as_ref().is_some_and(|name| name.contains('\0')) { Err(Malformed::NulInName) } else { Ok(name) }
}

/// Refuses a key that some readers take for one of the known keys.
pub(crate) fn refuse_case_variant(key: &str, known: &[&str]) -> Result<(), Malformed> {
    let variant = known.iter().any(|known| *known != key && same_but_for_case(known, key));
    if variant { Err(Malformed::CaseVariantKey) } else { Ok(()) }
}
