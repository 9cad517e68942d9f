//! Why a condition could not be evaluated.

use cel::ExecutionError;

use super::{CONDITION_ARGUMENTS_BYTES_MAX, CONDITION_STEPS_MAX};

/// The failure of a condition at run time. Its text shows no value of the call: it goes to logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The arguments are not the JSON text of an object, or hold a key twice.
    #[error("the arguments cannot be read")]
    Arguments,
    /// It divides by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A function did not accept a value.
    #[error("function `{0}` failed")]
    Function(Box<str>),
    /// A list is shorter than an index.
    #[error("index out of bounds")]
    IndexOutOfBounds,
    /// It evaluates to something else than a bool.
    #[error("yields {0}, not bool")]
    NotABool(Box<str>),
    /// A field that is not there.
    #[error("no such key `{0}`")]
    NoSuchKey(Box<str>),
    /// An operator or function on types that it does not take.
    #[error("{0}")]
    NoSuchOverload(Box<str>),
    /// A number too large for its type.
    #[error("number overflow")]
    Overflow,
    /// The evaluator failed in a way that it should not.
    #[error("the evaluator failed")]
    Panicked,
    /// It takes more steps than a condition may, or reads arguments that are longer than it may read.
    #[error(
        "takes more than {CONDITION_STEPS_MAX} steps, or arguments longer than {CONDITION_ARGUMENTS_BYTES_MAX} bytes"
    )]
    TooCostly,
    /// A name that is nothing.
    #[error("unknown name `{0}`")]
    UnknownName(Box<str>),
    /// An operator on types that it does not take.
    #[error("`{0}` does not take values of these types")]
    UnsupportedOperator(&'static str),
    /// Any other use of a value of the wrong type.
    #[error("a value has the wrong type")]
    WrongType,
}

impl Fault {
    pub(super) fn of(error: &ExecutionError) -> Self {
        match error {
            ExecutionError::NoSuchKey(key) => Self::NoSuchKey(key.as_str().into()),
            ExecutionError::NoSuchOverload(overload) => Self::NoSuchOverload(overload.to_string().into()),
            ExecutionError::UndeclaredReference(name) => Self::UnknownName(name.as_str().into()),
            ExecutionError::FunctionError { function, .. } => Self::Function(function.as_str().into()),
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => Self::DivisionByZero,
            ExecutionError::Overflow(..) => Self::Overflow,
            ExecutionError::IndexOutOfBounds(_) => Self::IndexOutOfBounds,
            ExecutionError::UnsupportedBinaryOperator(operator, ..) => Self::UnsupportedOperator(operator),
            _ => Self::WrongType,
        }
    }
}
