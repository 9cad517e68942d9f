//! The arguments of a REST call: path parameters, query parameters and the members of a JSON body in one object.

use std::collections::BTreeSet;
use std::ops::Bound;

use serde_json::Value;

use super::query;
use super::{RestRefused, RestRequest};
use crate::content_type::ContentType;
use crate::fold::folded;
use crate::json::{Kind, Reader, is_reserved};
use crate::malformed::Malformed;

/// The parameter by which some backends take one HTTP method for another.
const METHOD_PARAMETER: &str = "_method";

/// What a request says, beside its method and path.
pub(super) struct Assembled {
    /// The JSON text of one object, each name in it once.
    pub(super) arguments: String,
    /// Whether there is a body of which nothing is in the arguments.
    pub(super) body_is_unread: bool,
}

/// Reads query and body. A body that looks like JSON is read as such whatever its content type says: many backends do.
pub(super) fn assemble(path: &[(&str, &str)], request: &RestRequest<'_>) -> Result<Assembled, RestRefused> {
    let query = query::parameters(request.query.unwrap_or_default())?;
    let query = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut names = Names::default();
    let mut members = Vec::new();
    for (name, value) in path.iter().copied().chain(query) {
        names.add(name)?;
        members.push(format!("{}:{}", Value::from(name), Value::from(value)));
    }
    let content_type = ContentType::read(request.content_type).ok_or(RestRefused::ContentType)?;
    if content_type == ContentType::Form {
        names.check_form(request.body)?;
    }
    let is_json = !request.body.is_empty() && content_type == ContentType::Json;
    if is_json || looks_like_json(request.body) {
        members.extend(body_members(request.body, &names)?.map(str::to_owned));
    }
    Ok(Assembled {
        arguments: format!("{{{}}}", members.join(",")),
        body_is_unread: !request.body.is_empty() && first_character(request.body) != Some(b'{'),
    })
}

fn first_character(body: &[u8]) -> Option<u8> {
    body.iter().copied().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Whether a backend that does not ask for the content type might read it as JSON, in whatever encoding it finds.
fn looks_like_json(body: &[u8]) -> bool {
    let beginning = body.get(..4).unwrap_or(body);
    let has_mark = [&b"\xef\xbb\xbf"[..], b"\xfe\xff", b"\xff\xfe"].iter().any(|mark| body.starts_with(mark));
    let is_wide = beginning.contains(&0) && beginning.iter().any(|byte| matches!(byte, b'{' | b'['));
    has_mark || is_wide || matches!(first_character(body), Some(b'{' | b'['))
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
        if is_reserved(name) {
            return Err(Malformed::ReservedKey.into());
        }
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
                let name = crate::percent::decode(&name.replace('+', " "));
                name.is_ok_and(|name| folded(name.trim()) == METHOD_PARAMETER)
            });
        if overrides { Err(RestRefused::MethodOverride) } else { Ok(()) }
    }
}
