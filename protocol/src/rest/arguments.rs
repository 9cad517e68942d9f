//! The arguments of a REST call: path parameters, query parameters and the members of a JSON body in one object.

use std::collections::BTreeSet;
use std::ops::Bound;

use serde_json::Value;

use super::query;
use super::{RestRefused, RestRequest};
use crate::fold::folded;
use crate::json::{Kind, Reader};

/// The parameter by which some backends take one HTTP method for another.
const METHOD_PARAMETER: &str = "_method";

/// What a content type says about a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentType {
    Form,
    Json,
    Other,
}

/// The JSON text of one object, each name in it once.
pub(super) fn assemble(path: &[(&str, &str)], request: &RestRequest<'_>) -> Result<String, RestRefused> {
    let query = query::parameters(request.query.unwrap_or_default())?;
    let query = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut names = Names::default();
    let mut members = Vec::new();
    for (name, value) in path.iter().copied().chain(query) {
        names.add(name)?;
        members.push(format!("{}:{}", Value::from(name), Value::from(value)));
    }
    match content_type(request.content_type)? {
        ContentType::Form => names.check_form(request.body)?,
        ContentType::Json if !request.body.is_empty() => {
            members.extend(body_members(request.body, &names)?.map(str::to_owned));
        }
        ContentType::Json | ContentType::Other => {}
    }
    Ok(format!("{{{}}}", members.join(",")))
}

/// The text between the braces of a JSON body; `None` if it has no members, or is no object.
fn body_members<'a>(body: &'a [u8], names: &Names) -> Result<Option<&'a str>, RestRefused> {
    let mut reader = Reader::new(body)?;
    let kind = reader.kind()?;
    let start = reader.position();
    if kind == Kind::Object {
        let mut object = reader.object()?;
        while let Some(key) = reader.key(&mut object)? {
            names.check(&key)?;
            reader.skip()?;
        }
    } else {
        reader.skip()?;
    }
    let inside = reader.since(start).strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).map(str::trim);
    reader.finish()?;
    Ok(inside.filter(|inside| !inside.is_empty()))
}

/// The names from path and query, folded. A backend may join `a` with `A` (letter case) or with `a[]` (brackets).
#[derive(Default)]
struct Names {
    folded: BTreeSet<String>,
}

impl Names {
    fn add(&mut self, name: &str) -> Result<(), RestRefused> {
        self.check(name)?;
        self.folded.insert(folded(name));
        Ok(())
    }

    /// Refuses a name that is there already.
    fn check(&self, name: &str) -> Result<(), RestRefused> {
        let name = folded(name);
        if name == METHOD_PARAMETER {
            return Err(RestRefused::MethodOverride);
        }
        let root = name.split('[').next().unwrap_or_default();
        let with_bracket = format!("{name}[");
        let bracketed = self.folded.range((Bound::Included(with_bracket.clone()), Bound::Unbounded)).next();
        let twice = self.folded.contains(&name)
            || (root != name && self.folded.contains(root))
            || bracketed.is_some_and(|bracketed| bracketed.starts_with(&with_bracket));
        if twice { Err(RestRefused::TwiceNamed) } else { Ok(()) }
    }

    /// A form gives no arguments, but must not change the method.
    fn check_form(&self, body: &[u8]) -> Result<(), RestRefused> {
        let body = String::from_utf8_lossy(body);
        let overrides =
            body.split(['&', ';']).map(|piece| piece.split('=').next().unwrap_or_default()).any(|name| {
                let name = super::percent::decode(&name.replace('+', " "));
                name.is_ok_and(|name| folded(name.trim()) == METHOD_PARAMETER)
            });
        if overrides { Err(RestRefused::MethodOverride) } else { Ok(()) }
    }
}

/// JSON is `application/json`, `text/json` and any `+json` (RFC 6839), in UTF-8 (RFC 8259).
fn content_type(value: Option<&[u8]>) -> Result<ContentType, RestRefused> {
    let value = String::from_utf8_lossy(value.unwrap_or_default()).to_ascii_lowercase();
    if value.contains(',') {
        return Err(RestRefused::ContentType);
    }
    let mut parts = value.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    if media_type == "application/x-www-form-urlencoded" {
        return Ok(ContentType::Form);
    }
    if !matches!(media_type, "application/json" | "text/json") && !media_type.ends_with("+json") {
        return Ok(ContentType::Other);
    }
    let mut charsets = parts.filter_map(|part| part.strip_prefix("charset")).map(|rest| {
        rest.trim_start()
            .trim_start_matches('=')
            .trim_matches(|c: char| c == '"' || c == '\'' || c.is_whitespace())
    });
    if charsets.all(|charset| charset == "utf-8" || charset == "utf8") {
        Ok(ContentType::Json)
    } else {
        Err(RestRefused::ContentType)
    }
}
