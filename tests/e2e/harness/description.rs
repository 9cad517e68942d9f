//! The control plane's own description of its API, read for what can be sent to it.

use serde_json::{Map, Value, json};

/// A place in a body: keys of objects; `-` is the one item of an array.
pub(crate) type Place = Vec<String>;

/// How deep bodies are looked into.
const DEPTH_MAX: usize = 6;

/// The document at `/openapi.json`.
pub(crate) struct Description(Value);

/// One operation.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: String,
    /// With `{…}` in it.
    pub(crate) path: String,
    /// Names of credentials, any of which will do; none: it needs none.
    pub(crate) credentials: Vec<String>,
    /// Names of parameters in the path and in the query.
    pub(crate) in_path: Vec<String>,
    pub(crate) in_query: Vec<String>,
    /// It must say which version it replaces.
    pub(crate) needs_if_match: bool,
    /// The schema of its body, if it takes one.
    body: Option<Value>,
}

impl Description {
    pub(crate) fn new(document: Value) -> Self {
        Self(document)
    }

    pub(crate) fn operations(&self) -> Vec<Operation> {
        let paths = self.0["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, item)| {
                let operations = item.as_object().unwrap().iter();
                operations.map(|(method, about)| Self::operation(path, method, about))
            })
            .collect()
    }

    fn operation(path: &str, method: &str, about: &Value) -> Operation {
        let parameters = about["parameters"].as_array().cloned().unwrap_or_default();
        let named = |place: &str| {
            let here = parameters.iter().filter(|parameter| parameter["in"] == place);
            here.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
        };
        let security = about["security"].as_array().cloned().unwrap_or_default();
        Operation {
            id: about["operationId"].as_str().unwrap().to_owned(),
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            credentials: security.iter().flat_map(|one| one.as_object().unwrap().keys().cloned()).collect(),
            in_path: named("path"),
            in_query: named("query"),
            needs_if_match: parameters
                .iter()
                .any(|parameter| parameter["name"] == "If-Match" && parameter["required"] == true),
            body: about.pointer("/requestBody/content/application~1json/schema").cloned(),
        }
    }

    /// A body that the operation's schema asks for, with nothing that may be left out.
    pub(crate) fn body(&self, operation: &Operation) -> Option<Value> {
        Some(self.sample(operation.body.as_ref()?, None, DEPTH_MAX))
    }

    /// Every place of the body where any text may be.
    pub(crate) fn text_places(&self, operation: &Operation) -> Vec<Place> {
        self.places(operation, &["string"])
    }

    /// Every place of the body where a number may be.
    pub(crate) fn number_places(&self, operation: &Operation) -> Vec<Place> {
        self.places(operation, &["integer", "number"])
    }

    fn places(&self, operation: &Operation, kinds: &[&str]) -> Vec<Place> {
        let mut places = Vec::new();
        if let Some(schema) = &operation.body {
            self.find(schema, kinds, &mut Vec::new(), &mut places);
        }
        places
    }

    /// The same body with something at a place.
    pub(crate) fn body_with(&self, operation: &Operation, place: &[String], value: &Value) -> Value {
        self.sample(operation.body.as_ref().unwrap(), Some((place, value)), DEPTH_MAX)
    }

    /// A schema that is not a reference, nor a choice: of several the first that is not `null`.
    fn resolve<'s>(&'s self, mut schema: &'s Value) -> &'s Value {
        loop {
            let choice = ["oneOf", "anyOf", "allOf"].iter().find_map(|name| schema[name].as_array());
            if let Some(reference) = schema["$ref"].as_str() {
                schema = self.0.pointer(reference.trim_start_matches('#')).unwrap();
            } else if let Some(choices) = choice {
                schema = choices.iter().find(|one| one["type"] != "null").unwrap();
            } else {
                return schema;
            }
        }
    }

    fn find(&self, schema: &Value, kinds: &[&str], here: &mut Place, found: &mut Vec<Place>) {
        let schema = self.resolve(schema);
        if here.len() > DEPTH_MAX {
            return;
        }
        match kind(schema) {
            kind if kinds.contains(&kind) => {
                let is_free = schema.get("enum").is_none() && schema.get("const").is_none();
                found.extend(is_free.then(|| here.clone()));
            }
            "object" => {
                for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                    here.push(name.clone());
                    self.find(property, kinds, here, found);
                    here.pop();
                }
            }
            "array" => {
                here.push("-".to_owned());
                self.find(&schema["items"], kinds, here, found);
                here.pop();
            }
            _ => {}
        }
    }

    /// A value that the schema asks for; `chosen`: with this value at that place.
    fn sample(&self, schema: &Value, chosen: Option<(&[String], &Value)>, depth: usize) -> Value {
        let schema = self.resolve(schema);
        if let Some(([], value)) = chosen {
            return value.clone();
        }
        let known = ["const", "default", "example"].iter().find_map(|name| schema.get(name));
        let first = schema["enum"].as_array().and_then(|values| values.first());
        if let Some(value) = known.or(first).filter(|_| chosen.is_none()) {
            return value.clone();
        }
        match kind(schema) {
            "string" => json!("a"),
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
            "boolean" => json!(false),
            "array" => match chosen {
                Some(([_, rest @ ..], value)) if depth > 0 => {
                    json!([self.sample(&schema["items"], Some((rest, value)), depth - 1)])
                }
                _ => json!([]),
            },
            _ => self.sample_object(schema, chosen, depth),
        }
    }

    fn sample_object(&self, schema: &Value, chosen: Option<(&[String], &Value)>, depth: usize) -> Value {
        let mut object = Map::new();
        let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let value = match chosen {
                Some(([first, rest @ ..], value)) if first == name => {
                    self.sample(property, Some((rest, value)), depth.saturating_sub(1))
                }
                _ if depth > 0 && required.contains(&&json!(name)) => self.sample(property, None, depth - 1),
                _ => continue,
            };
            object.insert(name.clone(), value);
        }
        Value::Object(object)
    }
}

impl Operation {
    /// The path with one word for each of its parameters.
    pub(crate) fn path_with(&self, word: &str) -> String {
        let escaped = percent_encoded(word);
        self.in_path
            .iter()
            .fold(self.path.clone(), |path, name| path.replace(&format!("{{{name}}}"), &escaped))
    }

    pub(crate) fn has_body(&self) -> bool {
        self.body.is_some()
    }
}

/// The first type of a schema that is not `null`.
fn kind(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(kind) => kind,
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap(),
        _ if schema.get("properties").is_some() => "object",
        // Anything may be here.
        _ => "any",
    }
}

/// As a segment of a path, or a value in a query.
pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
