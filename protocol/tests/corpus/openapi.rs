//! OpenAPI files: what is accepted are routes, and all the routes that another reader of the same file finds.

use std::collections::BTreeSet;

use protocol::rest::openapi::{Operation, read};
use protocol::rest::{NormalPath, Routes};
use serde_json::Value;

const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];
/// The most mistakes that are said of one file, and that there are more.
const MISTAKES_MAX: usize = 101;
/// What parameters are filled in with.
const VALUE: &str = "some-value";

/// True if the bytes are a file that is accepted.
pub(crate) fn holds(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let operations = match read(text) {
        Ok(operations) => operations,
        Err(mistakes) => {
            assert!((1..=MISTAKES_MAX).contains(&mistakes.len()));
            assert!(mistakes.iter().all(|mistake| !mistake.to_string().contains('\n')));
            return false;
        }
    };
    assert!(!operations.is_empty());
    let sources: Vec<_> = operations.iter().map(Operation::route).collect();
    let routes = Routes::compile(&sources).unwrap();
    for operation in &operations {
        is_found(&routes, operation);
    }
    let options = serde_saphyr::options! { with_snippet: false };
    if let Ok(document) = serde_saphyr::from_str_with_options::<Value>(text, options) {
        let found: BTreeSet<String> = operations.into_iter().map(|operation| operation.pattern).collect();
        assert_eq!(found, patterns(&document));
    }
    true
}

/// A request to the operation has a route: its own, or one whose literals beat its parameters.
fn is_found(routes: &Routes, operation: &Operation) {
    let (method, path) = operation.pattern.split_once(' ').unwrap();
    let fill = |segment| if str::starts_with(segment, '{') { VALUE } else { segment };
    let path = path.split('/').map(fill).collect::<Vec<_>>().join("/");
    let path = NormalPath::parse(&path).unwrap();
    assert!(!matches!(routes.find(method, &path), Ok(None)), "{}", operation.pattern);
}

/// Every method and path of a document, found by going through its tree.
fn patterns(document: &Value) -> BTreeSet<String> {
    let mut patterns = BTreeSet::new();
    for (path, item) in
        document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with('/'))
    {
        let reference = item.get("$ref").map(|reference| reference.as_str().unwrap());
        let item = match reference {
            Some(reference) => &document["components"]["pathItems"][reference.rsplit_once('/').unwrap().1],
            None => item,
        };
        let own =
            METHODS.iter().filter(|method| item.get(method).is_some()).map(|method| method.to_uppercase());
        let more = item.get("additionalOperations").and_then(Value::as_object);
        let more = more.into_iter().flat_map(|more| more.keys().cloned());
        patterns.extend(own.chain(more).map(|method| format!("{method} {path}")));
    }
    patterns
}
