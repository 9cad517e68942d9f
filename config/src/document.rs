//! A file's text becomes a value of the right shape: YAML, then `${NAME}`, then the JSON Schema, then the type.

use std::collections::BTreeSet;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Environment, Mistake};

/// A settings or keys file larger than this is refused unread.
pub(crate) const FILE_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Most values in it, the lists, mappings and the names in them among them: enough for the most keys that a file may have.
const NODES_MAX: usize = 1_500_000;

/// Reads a document of type `T`, or says everything that is wrong with it.
pub(crate) fn read<T: DeserializeOwned + JsonSchema>(
    text: &str,
    environment: Environment,
) -> Result<T, Vec<Mistake>> {
    if text.len() > FILE_MAX_BYTES {
        return Err(vec![Mistake::at("", format!("larger than {FILE_MAX_BYTES} bytes"))]);
    }
    let options = serde_saphyr::options! {
        with_snippet: false,
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        budget: serde_saphyr::budget! { max_nodes: NODES_MAX, max_events: 2 * NODES_MAX },
    };
    let mut document: Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| vec![Mistake::at("", error.to_string())])?;
    let mut mistakes = Vec::new();
    let filled = environment.fill(&mut document, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let schema = schemars::schema_for!(T).to_value();
    let validator = jsonschema::validator_for(&schema)
        .map_err(|error| vec![Mistake::at("", format!("the schema itself is wrong: {error}"))])?;
    let mistyped: Vec<String> = validator
        .iter_errors(&document)
        .filter(|error| matches!(error.kind(), ValidationErrorKind::Type { .. }))
        .map(|error| error.instance_path().to_string())
        .collect();
    retype(&mut document, &filled, mistyped);
    let mut mistakes: Vec<Mistake> =
        validator.iter_errors(&document).flat_map(|error| mistakes_of(&error)).collect();
    if mistakes.is_empty() {
        return serde_json::from_value(document).map_err(|error| vec![Mistake::at("", error.to_string())]);
    }
    mistakes.dedup();
    Err(mistakes)
}

/// A JSON pointer as people write paths: `/proxy/listeners/0/address` is `proxy.listeners[0].address`.
pub(crate) fn readable(pointer: &str) -> String {
    let mut out = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty() {
            out.push_str(&format!("[{part}]"));
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&part);
        }
    }
    out
}

/// A number or boolean that came out of `${NAME}` is still text: where the schema wants no text, read it again.
fn retype(document: &mut Value, filled: &BTreeSet<String>, mistyped: Vec<String>) {
    for pointer in mistyped.into_iter().filter(|pointer| filled.contains(pointer)) {
        if let Some(place) = document.pointer_mut(&pointer)
            && let Some(scalar) = place.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok())
            && (scalar.is_number() || scalar.is_boolean())
        {
            *place = scalar;
        }
    }
}

fn mistakes_of(error: &ValidationError<'_>) -> Vec<Mistake> {
    let path = readable(error.instance_path().as_str());
    let under = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|key| Mistake::at(under(key), "unknown key")).collect()
        }
        ValidationErrorKind::Required { property } => {
            vec![Mistake::at(under(property.as_str().unwrap_or_default()), "missing")]
        }
        ValidationErrorKind::Type { kind } => {
            vec![Mistake::at(path, format!("must be {}, not {}", wanted(kind), shown(error.instance())))]
        }
        ValidationErrorKind::Enum { options } => {
            vec![Mistake::at(
                path,
                format!("must be one of {}, not {}", listed(options), shown(error.instance())),
            )]
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            // Something that may be left out is, to the schema, itself or null.
            let mut shapes = context.iter().filter(|errors| !errors.iter().any(wants_null));
            match (shapes.next(), shapes.next()) {
                (Some(only), None) => only.iter().flat_map(mistakes_of).collect(),
                _ => vec![Mistake::at(path, alternatives(error.instance(), context))],
            }
        }
        ValidationErrorKind::Minimum { limit } => {
            vec![Mistake::at(path, format!("must be at least {limit}, not {}", shown(error.instance())))]
        }
        ValidationErrorKind::Maximum { limit } => {
            vec![Mistake::at(path, format!("must be at most {limit}, not {}", shown(error.instance())))]
        }
        _ => vec![Mistake::at(path, error.to_string())],
    }
}

fn wants_null(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { kind } if wanted(kind) == "null")
}

/// Where several shapes are possible: what each of them would have wanted.
fn alternatives(instance: &Value, context: &[Vec<ValidationError<'static>>]) -> String {
    format!("must be {}, not {}", wants(context).join(" or "), shown(instance))
}

fn wants(context: &[Vec<ValidationError<'static>>]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for error in context.iter().flatten() {
        let wanted = match error.kind() {
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                wants(context)
            }
            ValidationErrorKind::Type { kind } => vec![wanted(kind)],
            ValidationErrorKind::Enum { options } => vec![format!("one of {}", listed(options))],
            ValidationErrorKind::Constant { expected_value } => {
                vec![format!("`{}`", text_of(expected_value))]
            }
            ValidationErrorKind::Required { property } => vec![format!("an object with {property}")],
            _ => continue,
        };
        for want in wanted {
            if want != "null" && !all.contains(&want) {
                all.push(want);
            }
        }
    }
    all
}

fn wanted(kind: &TypeKind) -> String {
    let name = |json_type: &str| match json_type {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        _ => "null",
    };
    match kind {
        TypeKind::Single(one) => name(&one.to_string()).to_owned(),
        TypeKind::Multiple(many) => {
            let names: Vec<&str> =
                many.iter().map(|one| name(&one.to_string())).filter(|n| *n != "null").collect();
            names.join(" or ")
        }
    }
}

fn listed(options: &Value) -> String {
    let words = options.as_array().into_iter().flatten().map(|option| format!("`{}`", text_of(option)));
    words.collect::<Vec<_>>().join(", ")
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
        Value::Null => "nothing".to_owned(),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => format!("`{}`", text_of(value)),
    }
}
