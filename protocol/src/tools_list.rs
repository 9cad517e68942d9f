//! Lists of tools on their way to a client: tools are cut out, or something is said in their descriptions, and every
//! other byte stays as it was.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use thiserror::Error;

use crate::json::{Kind, Reader, Value};
use crate::malformed::Malformed;
use crate::message::refuse_case_variant;

/// What becomes of one tool of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It stays as it is.
    Keep,
    /// It is cut out.
    Remove,
    /// It stays, and this is said at the end of its description: plain text that JSON writes as it is.
    Annotate(&'static str),
}

/// For whom a list is, and how long it may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// As its backend says, if it says anything.
    AsListed,
    /// It is its caller's own, and goes stale after this time at most (revision 2026-07-28).
    Private {
        /// The longest `ttlMs`. A list that does not say how long it may be kept is stale at once.
        ttl_max_ms: u32,
    },
}

/// What came of a backend's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edited {
    /// The message goes on as it came: it is no list of tools, or nothing in it had to change.
    Untouched,
    /// The message that goes on in its place.
    Rewritten {
        /// The whole message.
        body: Vec<u8>,
        /// How many tools were cut out.
        removed: usize,
    },
}

/// Why a list cannot be looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ListError {
    /// The message is not JSON that is accepted.
    #[error("the backend's message cannot be read: {0}")]
    Malformed(#[from] Malformed),
    /// `tools` is there, but is not an array.
    #[error("the backend's `tools` is not an array")]
    NotAnArray,
    /// A tool that is not an object with a text `name`.
    #[error("the backend lists a tool without a name")]
    ToolWithoutName,
}

impl ListError {
    /// The stable word for it, in the refusal's text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed(malformed) => malformed.name(),
            Self::NotAnArray => "tools-not-an-array",
            Self::ToolWithoutName => "tool-without-name",
        }
    }
}

/// One tool as the backend lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool<'a> {
    /// Its name, escapes resolved.
    pub name: Cow<'a, str>,
    /// The JSON text of its definition, as it came.
    pub definition: &'a str,
}

/// What is to change in a message.
struct List {
    caching: Caching,
    edits: Vec<Edit>,
    removed: usize,
}

/// A part of the message, in bytes from its start, and what goes in its place.
struct Edit {
    start: usize,
    end: usize,
    text: Cow<'static, str>,
}

/// Where the fields that say how a list may be kept are in a result.
#[derive(Default)]
struct Kept<'a> {
    scope: Option<Value<'a>>,
    ttl: Option<Value<'a>>,
}

const TTL: &str = "ttlMs";
const DESCRIPTION: &str = "description";
const CACHE_SCOPE: &str = "cacheScope";
const PRIVATE: &str = r#""private""#;
const PRIVATE_MEMBER: &str = r#""cacheScope":"private","#;

/// Edits one message of a backend: the response to a `tools/list`, or any message of a stream that may replay one,
/// or a batch of them. `choose` sees each tool once, in order.
///
/// # Errors
/// The message cannot be read strictly, so that nobody can say what a client would see in it.
pub fn edit(
    body: &[u8],
    caching: Caching,
    mut choose: impl FnMut(&Tool<'_>) -> Choice,
) -> Result<Edited, ListError> {
    // The first event of a resumable stream has an id and no message.
    if body.is_empty() {
        return Ok(Edited::Untouched);
    }
    let mut reader = Reader::new(body)?;
    let mut list = List { caching, edits: Vec::new(), removed: 0 };
    if reader.kind()? == Kind::Array {
        let mut batch = reader.array()?;
        while reader.element(&mut batch)? {
            list.message(&mut reader, &mut choose)?;
        }
    } else {
        list.message(&mut reader, &mut choose)?;
    }
    reader.finish()?;
    if list.edits.is_empty() {
        return Ok(Edited::Untouched);
    }
    Ok(Edited::Rewritten { body: apply(body, list.edits), removed: list.removed })
}

impl List {
    fn message(
        &mut self,
        reader: &mut Reader<'_>,
        choose: &mut impl FnMut(&Tool<'_>) -> Choice,
    ) -> Result<(), ListError> {
        let Some(mut message) = reader.object_if()? else { return Ok(()) };
        while let Some(key) = reader.key(&mut message)? {
            if key == "result" {
                self.result(reader, choose)?;
                continue;
            }
            refuse_case_variant(&key, &["result"])?;
            reader.skip()?;
        }
        Ok(())
    }

    fn result(
        &mut self,
        reader: &mut Reader<'_>,
        choose: &mut impl FnMut(&Tool<'_>) -> Choice,
    ) -> Result<(), ListError> {
        let mut kept = Kept::default();
        let mut is_list = false;
        let Some(mut result) = reader.object_if()? else { return Ok(()) };
        let first_member = reader.position();
        while let Some(key) = reader.key(&mut result)? {
            match &*key {
                "tools" => is_list = self.tools(reader, choose)?,
                CACHE_SCOPE => kept.scope = Some(reader.value()?),
                TTL => kept.ttl = Some(reader.value()?),
                key => {
                    refuse_case_variant(key, &["tools", CACHE_SCOPE, TTL])?;
                    reader.skip()?;
                }
            }
        }
        if let Caching::Private { ttl_max_ms } = self.caching
            && is_list
        {
            self.keep_private(&kept, first_member, ttl_max_ms);
        }
        Ok(())
    }

    fn keep_private(&mut self, kept: &Kept<'_>, first_member: usize, ttl_max_ms: u32) {
        match kept.scope {
            Some(scope) if scope.raw == PRIVATE => {}
            Some(scope) => self.replace(&scope, PRIVATE),
            None => self.insert(first_member, PRIVATE_MEMBER),
        }
        match kept.ttl {
            Some(ttl) => match milliseconds(&ttl) {
                Some(ms) if ms <= f64::from(ttl_max_ms) => {}
                Some(_) => self.replace(&ttl, ttl_max_ms.to_string()),
                None => self.replace(&ttl, "0"),
            },
            None => self.insert(first_member, r#""ttlMs":0,"#),
        }
    }

    fn replace(&mut self, value: &Value<'_>, text: impl Into<Cow<'static, str>>) {
        self.edits.push(Edit { start: value.start, end: value.end(), text: text.into() });
    }

    fn insert(&mut self, at: usize, text: impl Into<Cow<'static, str>>) {
        self.edits.push(Edit { start: at, end: at, text: text.into() });
    }

    /// Cuts tools out, each with the comma before it, or the comma after it where none before it stays. True if there
    /// is a list: `null` is none.
    fn tools(
        &mut self,
        reader: &mut Reader<'_>,
        choose: &mut impl FnMut(&Tool<'_>) -> Choice,
    ) -> Result<bool, ListError> {
        match reader.kind()? {
            Kind::Array => {}
            Kind::Null => return reader.skip().map(|()| false).map_err(ListError::from),
            Kind::Boolean | Kind::Number | Kind::Object | Kind::Text => return Err(ListError::NotAnArray),
        }
        let mut array = reader.array()?;
        let mut before: Option<usize> = None;
        let mut kept_one = false;
        while reader.element(&mut array)? {
            let Listed { start, first_member, description, tool } = read_tool(reader)?;
            let end = reader.position();
            let choice = choose(&tool);
            if choice == Choice::Remove {
                self.edits.push(Edit { start: before.unwrap_or(start), end, text: "".into() });
                self.removed = self.removed.saturating_add(1);
            } else {
                if let (Some(before), false) = (before, kept_one) {
                    self.edits.push(Edit { start: before, end: start, text: "".into() });
                }
                kept_one = true;
            }
            if let Choice::Annotate(text) = choice {
                self.annotate(text, first_member, description);
            }
            before = Some(end);
        }
        Ok(true)
    }

    /// Says something at the end of a tool's description, or in place of one that it lacks.
    fn annotate(&mut self, text: &'static str, first_member: usize, description: Option<Value<'_>>) {
        match description {
            Some(value) if value.kind == Kind::Text => {
                self.insert(value.end().saturating_sub(1), format!(" {text}"))
            }
            Some(value) => self.replace(&value, format!("\"{text}\"")),
            None => self.insert(first_member, format!("\"{DESCRIPTION}\":\"{text}\",")),
        }
    }
}

/// A tool, and where it is in the message.
struct Listed<'a> {
    start: usize,
    first_member: usize,
    description: Option<Value<'a>>,
    tool: Tool<'a>,
}

fn read_tool<'a>(reader: &mut Reader<'a>) -> Result<Listed<'a>, ListError> {
    let (mut name, mut description) = (None, None);
    reader.kind()?;
    let start = reader.position();
    let Some(mut tool) = reader.object_if()? else { return Err(ListError::ToolWithoutName) };
    let first_member = reader.position();
    while let Some(key) = reader.key(&mut tool)? {
        match &*key {
            "name" => name = reader.text()?,
            DESCRIPTION => description = Some(reader.value()?),
            key => {
                refuse_case_variant(key, &["name"])?;
                reader.skip()?;
            }
        }
    }
    let name = name.ok_or(ListError::ToolWithoutName)?;
    let tool = Tool { name, definition: reader.since(start) };
    Ok(Listed { start, first_member, description, tool })
}

/// A number of milliseconds, not below zero.
fn milliseconds(value: &Value<'_>) -> Option<f64> {
    let number: f64 = if value.kind == Kind::Number { value.raw.parse().ok()? } else { return None };
    (number >= 0.0).then_some(number)
}

fn apply(body: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|edit| edit.start);
    let mut edited = Vec::with_capacity(body.len().saturating_add(PRIVATE_MEMBER.len()));
    let mut at = 0;
    for edit in &edits {
        edited.extend_from_slice(body.get(at..edit.start).unwrap_or_default());
        edited.extend_from_slice(edit.text.as_bytes());
        at = edit.end;
    }
    edited.extend_from_slice(body.get(at..).unwrap_or_default());
    edited
}
