//! The JSON Schema of a tool's arguments: compiled when the policy document is read, asked before a person is.
//!
//! Nothing is fetched, patterns run in linear time, a check takes time in proportion to the schema and the arguments, and
//! what is said of wrong arguments never repeats their values.

mod expansion;
#[cfg(test)]
mod tests;

use std::fmt;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use self::expansion::Expansion;
pub use self::expansion::{SCHEMA_DEPTH_MAX, SCHEMA_NODES_MAX};

/// Largest schema, as JSON text.
pub const INPUT_SCHEMA_BYTES_MAX: usize = 256 * 1024;
/// Largest arguments that are held against a schema, as JSON text: more would keep other calls waiting.
const ARGUMENTS_BYTES_MAX: usize = 256 * 1024;
/// Most places that are named of wrong arguments.
pub const WRONG_PLACES_MAX: usize = 5;
/// Places are looked for only where a schema's nodes times the arguments' bytes are no more: every node could find a
/// mistake in every byte.
pub const EXPLAINED_NODES_TIMES_BYTES_MAX: usize = 1_000_000;
/// Deepest nesting of arguments that a schema which refers to itself is held against.
pub const RECURSIVE_ARGUMENTS_DEPTH_MAX: usize = 32;
/// A pattern compiles to no more than this.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;
/// Longest piece of a place, or of what is expected there, in bytes.
const SHOWN_BYTES_MAX: usize = 120;

/// A JSON Schema (2020-12, or the draft that its `$schema` names), compiled.
#[derive(Clone, Debug)]
pub struct InputSchema {
    value: Value,
    validator: Validator,
    expansion: Expansion,
}

/// Why a value is no schema that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASchema {
    /// It refers to something that is not in it.
    #[error("it refers to `{0}`, which is not in it; nothing is fetched")]
    Reference(Box<str>),
    /// It has more bytes than [`INPUT_SCHEMA_BYTES_MAX`].
    #[error("it has {bytes} bytes; at most {INPUT_SCHEMA_BYTES_MAX} are allowed")]
    TooLarge {
        /// How many it has.
        bytes: usize,
    },
    /// It has too many parts, or they are nested too deep.
    #[error(
        "with its references followed it has more than {SCHEMA_NODES_MAX} parts, or more than {SCHEMA_DEPTH_MAX} levels"
    )]
    TooComplex,
    /// It does not compile.
    #[error("at `{place}`: {why}")]
    Wrong {
        /// JSON pointer into the schema.
        place: Box<str>,
        /// What is wrong there.
        why: Box<str>,
    },
}

/// Arguments that are not what the tool's input schema asks for. Says where and what, never their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongArguments {
    /// At most [`WRONG_PLACES_MAX`], and what is expected at each. None where looking for them would take too long.
    pub places: Vec<WrongPlace>,
    /// There are more.
    pub more: bool,
}

/// One place in the arguments, and what is expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongPlace {
    /// JSON pointer (RFC 6901); empty for the arguments themselves.
    pub pointer: String,
    /// What is expected: `must be a number`.
    pub expected: String,
}

impl InputSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// [`NotASchema`]
    pub fn compile(value: Value) -> Result<Self, NotASchema> {
        let bytes = value.to_string().len();
        if bytes > INPUT_SCHEMA_BYTES_MAX {
            return Err(NotASchema::TooLarge { bytes });
        }
        let expansion = Expansion::of(&value)?;
        let options = jsonschema::options()
            .offline()
            .should_validate_formats(false)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX));
        let validator = options.build(&value).map_err(|error| not_a_schema(&error))?;
        Ok(Self { value, validator, expansion })
    }

    /// The schema as written.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// Checks arguments, the JSON text of one object.
    ///
    /// # Errors
    /// [`WrongArguments`]
    pub fn check(&self, arguments: &str) -> Result<(), WrongArguments> {
        if arguments.len() > ARGUMENTS_BYTES_MAX {
            let expected = format!("must have at most {ARGUMENTS_BYTES_MAX} bytes to be checked");
            let place = WrongPlace { pointer: String::new(), expected };
            return Err(WrongArguments { places: vec![place], more: false });
        }
        let Ok(value) = serde_json::from_str::<Value>(arguments) else {
            let expected = "must be JSON".to_owned();
            let place = WrongPlace { pointer: String::new(), expected };
            return Err(WrongArguments { places: vec![place], more: false });
        };
        let Expansion { nodes, is_recursive } = self.expansion;
        if is_recursive && !is_within(&value, RECURSIVE_ARGUMENTS_DEPTH_MAX) {
            let expected = format!("must have at most {RECURSIVE_ARGUMENTS_DEPTH_MAX} levels");
            let place = WrongPlace { pointer: String::new(), expected };
            return Err(WrongArguments { places: vec![place], more: false });
        }
        if self.validator.is_valid(&value) {
            return Ok(());
        }
        // Only whether arguments are valid is quick to say of a schema that refers to itself.
        if is_recursive || nodes.saturating_mul(arguments.len()) > EXPLAINED_NODES_TIMES_BYTES_MAX {
            return Err(WrongArguments { places: Vec::new(), more: true });
        }
        let mut errors = self.validator.iter_errors(&value);
        let places = errors.by_ref().take(WRONG_PLACES_MAX).map(|error| WrongPlace::of(&error)).collect();
        Err(WrongArguments { places, more: errors.next().is_some() })
    }
}

fn not_a_schema(error: &ValidationError<'_>) -> NotASchema {
    if let ValidationErrorKind::Referencing(jsonschema::ReferencingError::Unretrievable { uri, .. }) =
        error.kind()
    {
        return NotASchema::Reference(shown(uri).into());
    }
    NotASchema::Wrong {
        place: shown(error.instance_path().as_str()).into(),
        why: shown(&error.to_string()).into(),
    }
}

fn is_within(value: &Value, levels: usize) -> bool {
    let inner = levels.checked_sub(1);
    let fits = |value: &Value| inner.is_some_and(|levels| is_within(value, levels));
    match value {
        Value::Array(items) => items.iter().all(fits),
        Value::Object(members) => members.values().all(fits),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

impl WrongPlace {
    fn of(error: &ValidationError<'_>) -> Self {
        Self { pointer: shown(error.instance_path().as_str()), expected: expected(error.kind()) }
    }
}

/// What a place must be, from the schema alone.
fn expected(kind: &ValidationErrorKind) -> String {
    use ValidationErrorKind as Kind;
    let count = |what: &str, limit: &u64| format!("must have {what} {limit}");
    match kind {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            format!("must not have {}", shown(&names(unexpected)))
        }
        Kind::AdditionalItems { limit } => format!("must have at most {limit} items"),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            "must be one of the forms that the schema lists".to_owned()
        }
        Kind::OneOfMultipleValid { .. } => "must be only one of the forms that the schema lists".to_owned(),
        Kind::Constant { expected_value } => format!("must be {}", shown(&expected_value.to_string())),
        Kind::Enum { options } => format!("must be one of {}", shown(&options.to_string())),
        Kind::Contains => "must contain an item that the schema asks for".to_owned(),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::MaxLength { limit } => count("at most this many characters:", limit),
        Kind::MinLength { limit } => count("at least this many characters:", limit),
        Kind::MaxProperties { limit } => count("at most this many members:", limit),
        Kind::MinProperties { limit } => count("at least this many members:", limit),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::Pattern { pattern } => format!("must match `{}`", shown(pattern)),
        Kind::PropertyNames { .. } => "must not have a member of that name".to_owned(),
        Kind::Required { property } => format!("must have {}", shown(&property.to_string())),
        Kind::Type { kind: TypeKind::Single(kind) } => format!("must be of type {kind}"),
        Kind::Type { kind: TypeKind::Multiple(kinds) } => {
            let kinds: Vec<String> = kinds.iter().map(|kind| kind.to_string()).collect();
            format!("must be of type {}", kinds.join(" or "))
        }
        Kind::UniqueItems => "must not have an item twice".to_owned(),
        other => format!("does not meet `{}`", other.keyword()),
    }
}

fn names(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn shown(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.split_at_checked(clean.floor_char_boundary(SHOWN_BYTES_MAX)) {
        Some((start, rest)) if !rest.is_empty() => format!("{start}…"),
        _ => clean,
    }
}

impl fmt::Display for WrongArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, place) in self.places.iter().enumerate() {
            f.write_str(if number == 0 { "" } else { "; " })?;
            match place.pointer.as_str() {
                "" => write!(f, "they {}", place.expected)?,
                pointer => write!(f, "`{pointer}` {}", place.expected)?,
            }
        }
        match (self.places.is_empty(), self.more) {
            (true, _) => f.write_str("where they are wrong would take too long to say"),
            (false, true) => f.write_str("; and more"),
            (false, false) => Ok(()),
        }
    }
}

impl std::error::Error for WrongArguments {}
