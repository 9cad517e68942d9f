//! The parts of a call that a condition names, like `args.amount` or `caller.claims["team"]`.

use std::fmt;

use cel::common::ast::{Expr, LiteralValue};
use serde_json::Value;

/// A variable, and what is selected from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) variable: &'static str,
    pub(crate) keys: Vec<Key>,
}

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A field of an object.
    Field(Box<str>),
    /// An item of a list, from zero.
    Item(usize),
}

impl Key {
    /// The key that an expression is, if it is written out.
    pub(super) fn written(expression: &Expr) -> Option<Self> {
        match expression {
            Expr::Literal(LiteralValue::String(text)) => Some(Self::Field(text.inner().into())),
            Expr::Literal(LiteralValue::Int(index)) => usize::try_from(*index.inner()).ok().map(Self::Item),
            Expr::Literal(LiteralValue::UInt(index)) => usize::try_from(*index.inner()).ok().map(Self::Item),
            _ => None,
        }
    }

    /// What stands there in a value.
    pub(crate) fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Field(name) => value.get(name.as_ref()),
            Self::Item(index) => value.get(index),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.variable)?;
        self.keys.iter().try_for_each(|key| write!(f, "{key}"))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_word = |name: &str| {
            let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            begins && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        match self {
            Self::Field(name) if is_word(name) => write!(f, ".{name}"),
            Self::Field(name) => write!(f, "[{}]", Value::from(name.as_ref())),
            Self::Item(index) => write!(f, "[{index}]"),
        }
    }
}
