//! The reader against another one that is well known, on documents that are well-formed, nearly, or not at all.

use std::fmt;

use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::read;
use crate::json::Reader;
use crate::malformed::Malformed;

/// JSON as a reader sees it that keeps every member.
#[derive(Clone, Debug)]
enum Document {
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
    Scalar(serde_json::Value),
}

/// Which of two members with one key a reader takes.
#[derive(Clone, Copy)]
enum Wins {
    First,
    Last,
}

impl Document {
    fn seen_by(&self, wins: Wins) -> serde_json::Value {
        match self {
            Self::Array(elements) => elements.iter().map(|element| element.seen_by(wins)).collect(),
            Self::Object(members) => {
                let mut seen = serde_json::Map::new();
                for (key, value) in members {
                    if matches!(wins, Wins::Last) || !seen.contains_key(key) {
                        seen.insert(key.clone(), value.seen_by(wins));
                    }
                }
                seen.into()
            }
            Self::Scalar(value) => value.clone(),
        }
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document::Scalar(serde_json::Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Document, E> {
        Ok(Document::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Document, E> {
        Ok(Document::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Document, E> {
        Ok(Document::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Document, E> {
        Ok(Document::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Document, E> {
        Ok(Document::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Document, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = array.next_element()? {
            elements.push(element);
        }
        Ok(Document::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Document, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry()? {
            members.push(member);
        }
        Ok(Document::Object(members))
    }
}

/// Pieces of JSON in any order: mostly malformed, often nearly well-formed.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "d83d",
        "\\ude00",
        "\\u006d",
        "\\n",
        "0",
        "-",
        "1",
        ".5",
        "e9",
        "1e308",
        "1e309",
        "true",
        "null",
        "\"a\"",
        "\"a\":",
        "\"\\u0061\":",
        "\"b\":[",
        "{\"a\":1}",
        " ",
        "\n",
        "\u{0}",
        "é",
        "\u{feff}",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes())
}

/// Whole documents, some of them with one byte changed, put in or taken out.
fn documents() -> impl Strategy<Value = Vec<u8>> {
    let key = prop::sample::select(vec!["a", "b", "A", "é", "\u{0}", ""]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
    ];
    let document = leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|members| members
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    });
    let change =
        (0_u8..4, any::<prop::sample::Index>(), prop::sample::select(b"{}[],:\"\\0-.eu \n\x00\xff".to_vec()));
    (document, change).prop_map(|(document, (change, place, byte))| {
        let mut bytes = document.to_string().into_bytes();
        let place = place.index(bytes.len());
        match change {
            0 => bytes[place] = byte,
            1 => bytes.insert(place, byte),
            2 => drop(bytes.remove(place)),
            _ => {}
        }
        bytes
    })
}

/// What we accept, `serde_json` accepts, and readers for whom the first or the last key counts see the same in it.
/// What we refuse, it refuses too, or we have a reason that it does not have.
fn agrees_with_serde_json(body: &[u8]) {
    let ours = read(body);
    let theirs = serde_json::from_slice::<Document>(body);
    match (&ours, &theirs) {
        (Ok(_), Ok(document)) => assert_eq!(document.seen_by(Wins::First), document.seen_by(Wins::Last)),
        (Ok(_), Err(error)) => panic!("accepted, though: {error}"),
        (Err(Malformed::DuplicateKey), Ok(document)) => {
            assert!(has_a_key_twice(document), "no key stands twice");
        }
        (Err(Malformed::NulInKey | Malformed::ReservedKey | Malformed::TooDeep), Ok(_))
        | (Err(_), Err(_)) => {}
        (Err(malformed), Ok(_)) => panic!("refused, though serde_json reads it: {malformed}"),
    }
}

fn has_a_key_twice(document: &Document) -> bool {
    match document {
        Document::Scalar(_) => false,
        Document::Array(elements) => elements.iter().any(has_a_key_twice),
        Document::Object(members) => {
            let keys: std::collections::BTreeSet<_> = members.iter().map(|(key, _)| key).collect();
            keys.len() < members.len() || members.iter().any(|(_, value)| has_a_key_twice(value))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_serde_json_on_pieces(body in pieces()) {
        agrees_with_serde_json(&body);
    }

    #[test]
    fn agrees_with_serde_json_on_documents(body in documents()) {
        agrees_with_serde_json(&body);
    }

    #[test]
    fn text_is_unescaped_as_serde_json_does(text in any::<String>(), escape_all in any::<bool>()) {
        let quoted = if escape_all {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            format!("\"{units}\"")
        } else {
            serde_json::Value::from(text.as_str()).to_string()
        };
        prop_assert_eq!(Reader::over(&quoted).text().unwrap().unwrap(), text);
    }
}
