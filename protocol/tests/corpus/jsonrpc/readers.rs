//! The ways in which programs look up members of a JSON-RPC message, and the call that each of them sees.

use std::collections::BTreeMap;

use super::lenient::{Key, Node};

/// One way of reading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader {
    first_wins: bool,
    case: Case,
    /// Names are compared as they stand there, escapes and all.
    raw_names: bool,
    /// Text ends at a NUL.
    cut_at_nul: bool,
}

/// How a reader compares names.
#[derive(Clone, Copy, Debug)]
enum Case {
    Exact,
    Ascii,
    Lower,
    Upper,
    UpperThenLower,
    /// Lower case where `I` without a dot and `İ` with one are two letters.
    Turkish,
}

/// What is called.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) method: Option<String>,
    pub(crate) id: Option<Canonical>,
    pub(crate) subject: Option<Subject>,
}

/// What it is called on; only of a message that has a method.
#[derive(Debug, PartialEq)]
pub(crate) struct Subject {
    pub(crate) name: Option<String>,
    pub(crate) uri: Option<String>,
    pub(crate) task_id: Option<String>,
    pub(crate) arguments: Canonical,
}

/// A value without its spelling.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Canonical {
    Word(Vec<u8>),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

/// Every way of reading.
pub(crate) fn all() -> impl Iterator<Item = Reader> {
    let cases = [Case::Exact, Case::Ascii, Case::Lower, Case::Upper, Case::UpperThenLower, Case::Turkish];
    cases.into_iter().flat_map(|case| {
        (0..8_u8).map(move |bits| Reader {
            case,
            first_wins: bits & 1 != 0,
            raw_names: bits & 2 != 0,
            cut_at_nul: bits & 4 != 0,
        })
    })
}

impl Reader {
    /// The messages in the values of a body: batches are taken apart.
    pub(crate) fn messages(self, values: &[Node]) -> Vec<Seen> {
        let messages = values.iter().flat_map(|value| match value {
            Node::List(elements) => elements.iter().collect(),
            other => vec![other],
        });
        messages.map(|message| self.message(message)).collect()
    }

    fn message(self, message: &Node) -> Seen {
        let method = self.member(message, "method").and_then(|method| self.text(method));
        let params = self.member(message, "params");
        let text = |name| self.text(self.member(params?, name)?);
        let arguments = params.and_then(|params| self.member(params, "arguments"));
        let arguments = arguments.filter(|arguments| matches!(arguments, Node::Object(_)));
        let subject = Subject {
            name: text("name"),
            uri: text("uri"),
            task_id: text("taskId"),
            arguments: arguments.map_or(Canonical::Object(BTreeMap::new()), |value| self.canonical(value)),
        };
        // An answer without an id, and one with the id `null`, are the same to everyone.
        let id = self.member(message, "id").map(|id| self.canonical(id));
        let id = id.filter(|id| *id != Canonical::Word(b"null".to_vec()));
        Seen { id, subject: method.is_some().then_some(subject), method }
    }

    fn member<'n>(self, of: &'n Node, wanted: &str) -> Option<&'n Node> {
        let Node::Object(members) = of else { return None };
        let wanted = self.case.folded(wanted);
        let mut found = members.iter().filter(|(key, _)| self.case.folded(self.name(key)) == wanted);
        let found = if self.first_wins { found.next() } else { found.next_back() };
        found.map(|(_, value)| value)
    }

    fn name(self, key: &Key) -> &str {
        self.cut(if self.raw_names { &key.raw } else { &key.text })
    }

    fn text(self, value: &Node) -> Option<String> {
        let Node::Text(text) = value else { return None };
        Some(self.cut(text).to_owned())
    }

    fn cut(self, text: &str) -> &str {
        text.split('\0').next().filter(|_| self.cut_at_nul).unwrap_or(text)
    }

    /// Within a value, names are compared exactly, but which of two wins differs here too.
    pub(crate) fn canonical(self, value: &Node) -> Canonical {
        match value {
            Node::Word(word) => Canonical::Word(word.clone()),
            Node::Number(digits) => {
                Canonical::Number(std::str::from_utf8(digits).unwrap().parse().unwrap_or(f64::INFINITY))
            }
            Node::Text(text) => Canonical::Text(text.clone()),
            Node::List(elements) => {
                Canonical::List(elements.iter().map(|element| self.canonical(element)).collect())
            }
            Node::Object(members) => {
                let mut object = BTreeMap::new();
                for (key, value) in members {
                    let (name, value) = (self.cut(&key.text).to_owned(), self.canonical(value));
                    if self.first_wins {
                        object.entry(name).or_insert(value);
                    } else {
                        object.insert(name, value);
                    }
                }
                Canonical::Object(object)
            }
        }
    }
}

impl Case {
    fn folded(self, name: &str) -> String {
        match self {
            Self::Exact => name.to_owned(),
            Self::Ascii => name.to_ascii_lowercase(),
            Self::Lower => name.to_lowercase(),
            Self::Upper => name.to_uppercase(),
            Self::UpperThenLower => name.to_uppercase().to_lowercase(),
            Self::Turkish => name.replace('İ', "i").to_lowercase(),
        }
    }
}
