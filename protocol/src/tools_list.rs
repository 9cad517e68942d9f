//! Lists of tools on their way to a client: the tools that a caller may not see are cut out, and every other byte
//! stays as it was.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use thiserror::Error;

use crate::json::{Kind, Reader, Value};
use crate::malformed::Malformed;
use crate::mcp::Era;
use crate::message::refuse_case_variant;

/// What came of a backend's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filtered {
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

/// Why a list cannot be filtered, and must not go on.
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
    /// The reason's stable name: a metric label, and the word in records and documents.
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
    era: Era,
    edits: Vec<Edit>,
    removed: usize,
}

/// A part of the message, in bytes from its start, and what goes in its place.
struct Edit {
    start: usize,
    end: usize,
    text: &'static str,
}

const CACHE_SCOPE: &str = "cacheScope";
const PRIVATE: &str = r#""private""#;
const PRIVATE_MEMBER: &str = r#""cacheScope":"private","#;

/// Filters one message of a backend: the response to a `tools/list`, or any message of a stream that may replay one,
/// or a batch of them. `keep` sees each tool once, in order. In the modern era a list goes on as private to its caller.
///
/// # Errors
/// The message cannot be read strictly, so that nobody can say what a client would see in it.
pub fn filter(body: &[u8], era: Era, mut keep: impl FnMut(&Tool<'_>) -> bool) -> Result<Filtered, ListError> {
    // The first event of a resumable stream has an id and no message.
    if body.is_empty() {
        return Ok(Filtered::Untouched);
    }
    let mut reader = Reader::new(body)?;
    let mut list = List { era, edits: Vec::new(), removed: 0 };
    if reader.kind()? == Kind::Array {
        let mut batch = reader.array()?;
        while reader.element(&mut batch)? {
            list.message(&mut reader, &mut keep)?;
        }
    } else {
        list.message(&mut reader, &mut keep)?;
    }
    reader.finish()?;
    if list.edits.is_empty() {
        return Ok(Filtered::Untouched);
    }
    Ok(Filtered::Rewritten { body: apply(body, list.edits), removed: list.removed })
}

impl List {
    fn message(
        &mut self,
        reader: &mut Reader<'_>,
        keep: &mut impl FnMut(&Tool<'_>) -> bool,
    ) -> Result<(), ListError> {
        let Some(mut message) = reader.object_if()? else { return Ok(()) };
        while let Some(key) = reader.key(&mut message)? {
            if key == "result" {
                self.result(reader, keep)?;
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
        keep: &mut impl FnMut(&Tool<'_>) -> bool,
    ) -> Result<(), ListError> {
        let mut scope: Option<Value<'_>> = None;
        let mut is_list = false;
        let Some(mut result) = reader.object_if()? else { return Ok(()) };
        let first_member = reader.position();
        while let Some(key) = reader.key(&mut result)? {
            match &*key {
                "tools" => is_list = self.tools(reader, keep)?,
                CACHE_SCOPE => scope = Some(reader.value()?),
                key => {
                    refuse_case_variant(key, &["tools", CACHE_SCOPE])?;
                    reader.skip()?;
                }
            }
        }
        match scope {
            _ if !is_list || self.era == Era::Legacy => {}
            Some(scope) if scope.raw == PRIVATE => {}
            Some(scope) => self.edits.push(Edit { start: scope.start, end: scope.end(), text: PRIVATE }),
            None => self.edits.push(Edit { start: first_member, end: first_member, text: PRIVATE_MEMBER }),
        }
        Ok(())
    }

    /// Cuts tools out, each with the comma before it, or the comma after it where none before it stays. True if there
    /// is a list: `null` is none.
    fn tools(
        &mut self,
        reader: &mut Reader<'_>,
        keep: &mut impl FnMut(&Tool<'_>) -> bool,
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
            let (start, tool) = read_tool(reader)?;
            let end = reader.position();
            if keep(&tool) {
                if let (Some(before), false) = (before, kept_one) {
                    self.edits.push(Edit { start: before, end: start, text: "" });
                }
                kept_one = true;
            } else {
                self.edits.push(Edit { start: before.unwrap_or(start), end, text: "" });
                self.removed = self.removed.saturating_add(1);
            }
            before = Some(end);
        }
        Ok(true)
    }
}

fn read_tool<'a>(reader: &mut Reader<'a>) -> Result<(usize, Tool<'a>), ListError> {
    let mut name = None;
    reader.kind()?;
    let start = reader.position();
    let Some(mut tool) = reader.object_if()? else { return Err(ListError::ToolWithoutName) };
    while let Some(key) = reader.key(&mut tool)? {
        if key == "name" {
            name = reader.text()?;
        } else {
            refuse_case_variant(&key, &["name"])?;
            reader.skip()?;
        }
    }
    let name = name.ok_or(ListError::ToolWithoutName)?;
    Ok((start, Tool { name, definition: reader.since(start) }))
}

fn apply(body: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_unstable_by_key(|edit| edit.start);
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
