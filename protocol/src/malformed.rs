//! Why a body is refused before anything is decided: one variant per reason.
//!
//! Each has a stable name for metrics, records and documents, and the JSON-RPC error code that answers it.

use thiserror::Error;

/// JSON-RPC 2.0: the body is not JSON.
pub const PARSE_ERROR: i32 = -32700;
/// JSON-RPC 2.0: the JSON is not a request that is accepted here.
pub const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC 2.0: the parameters do not fit the method.
pub const INVALID_PARAMS: i32 = -32602;

/// The reasons why a body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, strum::EnumIter, strum::EnumMessage)]
pub enum Malformed {
    /// `arguments` is there, but is not an object.
    #[error("`arguments` is not an object")]
    ArgumentsNotAnObject,
    /// The `id` is not a string or a number, or is too long.
    #[error("`id` is neither a short string nor a short number")]
    BadId,
    /// `method` is there, but is not text.
    #[error("`method` is not text")]
    BadMethod,
    /// An array of messages, outside of a session that this proxy saw begin at revision 2025-03-26.
    #[error("batches are not accepted")]
    Batch,
    /// A batch with no message in it, or with too many.
    #[error("the batch is empty or too long")]
    BatchLength,
    /// The body starts with a byte-order mark.
    #[error("the body starts with a byte-order mark")]
    ByteOrderMark,
    /// A `tools/call` sent as a notification.
    #[error("`tools/call` has no `id`")]
    CallWithoutId,
    /// A `tools/call` whose `name` is missing or is not text.
    #[error("`tools/call` has no text `name`")]
    CallWithoutName,
    /// A content type that makes another text of the same bytes: several, a list, or a charset other than UTF-8.
    #[error("the content type is not one type in UTF-8")]
    Charset,
    /// A key that differs from a known one only in case, for which some readers take it.
    #[error("a key differs from a known one only in case")]
    CaseVariantKey,
    /// A key twice in one object, escapes resolved.
    #[error("a key occurs twice in one object")]
    DuplicateKey,
    /// A known key of the message or of `params` that is written with escapes; some readers do not resolve them.
    #[error("a known key is written with escapes")]
    EscapedKey,
    /// An `initialize` inside a batch.
    #[error("`initialize` is not accepted in a batch")]
    InitializeInBatch,
    /// The body is not UTF-8.
    #[error("the body is not UTF-8")]
    InvalidUtf8,
    /// A `\u` escape that is half of a surrogate pair.
    #[error("an escape is half of a surrogate pair")]
    LoneSurrogate,
    /// `_meta` is there, but is not an object.
    #[error("`_meta` is not an object")]
    MetaNotAnObject,
    /// Neither a method nor a result nor an error.
    #[error("the message has no `method`")]
    MissingMethod,
    /// Both a request and a response, or both a result and an error.
    #[error("the message is of two kinds at once")]
    MixedMessage,
    /// A message that is not an object.
    #[error("the message is not an object")]
    NotAnObject,
    /// Not JSON as RFC 8259 defines it.
    #[error("not JSON at byte {at}")]
    NotJson {
        /// Where reading stopped, in bytes from the start.
        at: usize,
    },
    /// A key with a NUL in it, where some readers stop.
    #[error("a key has a NUL in it")]
    NulInKey,
    /// A method, name, URI, task id or version with a NUL in it, where some readers stop.
    #[error("a name has a NUL in it")]
    NulInName,
    /// A number that a double cannot hold: readers make infinity, an error or a big number of it.
    #[error("a number is too large for a double")]
    NumberTooLarge,
    /// `params` is there, but is not an object.
    #[error("`params` is not an object")]
    ParamsNotAnObject,
    /// A key that the JSON library of Rust reserves: servers built on it would see another value in place of its object.
    #[error("a key is one that some readers take for more than a name")]
    ReservedKey,
    /// The name, URI or task id that the method acts on is there, but is not text.
    #[error("the name, URI or task id is not text")]
    SubjectNotText,
    /// Objects and arrays nested too deep.
    #[error("nested too deep")]
    TooDeep,
    /// Something follows the JSON value.
    #[error("bytes follow the JSON value")]
    TrailingBytes,
    /// A protocol version that is not text.
    #[error("the protocol version is not text")]
    VersionNotText,
    /// `jsonrpc` is not `"2.0"`.
    #[error("`jsonrpc` is not \"2.0\"")]
    WrongVersion,
}

impl Malformed {
    /// The reason's stable name: a metric label, and the word in records and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ArgumentsNotAnObject => "arguments-not-an-object",
            Self::BadId => "bad-id",
            Self::BadMethod => "bad-method",
            Self::Batch => "batch",
            Self::BatchLength => "batch-length",
            Self::ByteOrderMark => "byte-order-mark",
            Self::CallWithoutId => "call-without-id",
            Self::CallWithoutName => "call-without-name",
            Self::Charset => "charset",
            Self::CaseVariantKey => "case-variant-key",
            Self::DuplicateKey => "duplicate-key",
            Self::EscapedKey => "escaped-key",
            Self::InitializeInBatch => "initialize-in-batch",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::LoneSurrogate => "lone-surrogate",
            Self::MetaNotAnObject => "meta-not-an-object",
            Self::MissingMethod => "missing-method",
            Self::MixedMessage => "mixed-message",
            Self::NotAnObject => "not-an-object",
            Self::NotJson { .. } => "not-json",
            Self::NulInKey => "nul-in-key",
            Self::NulInName => "nul-in-name",
            Self::NumberTooLarge => "number-too-large",
            Self::ParamsNotAnObject => "params-not-an-object",
            Self::ReservedKey => "reserved-key",
            Self::SubjectNotText => "subject-not-text",
            Self::TooDeep => "too-deep",
            Self::TrailingBytes => "trailing-bytes",
            Self::VersionNotText => "version-not-text",
            Self::WrongVersion => "wrong-version",
        }
    }

    /// The JSON-RPC error code that answers it.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::ByteOrderMark
            | Self::Charset
            | Self::InvalidUtf8
            | Self::LoneSurrogate
            | Self::NotJson { .. }
            | Self::TrailingBytes => PARSE_ERROR,
            Self::BadId
            | Self::BadMethod
            | Self::Batch
            | Self::BatchLength
            | Self::CallWithoutId
            | Self::CaseVariantKey
            | Self::DuplicateKey
            | Self::EscapedKey
            | Self::InitializeInBatch
            | Self::MissingMethod
            | Self::MixedMessage
            | Self::NotAnObject
            | Self::NulInKey
            | Self::NulInName
            | Self::NumberTooLarge
            | Self::ReservedKey
            | Self::TooDeep
            | Self::WrongVersion => INVALID_REQUEST,
            Self::ArgumentsNotAnObject
            | Self::CallWithoutName
            | Self::MetaNotAnObject
            | Self::ParamsNotAnObject
            | Self::SubjectNotText
            | Self::VersionNotText => INVALID_PARAMS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_answered_with_the_code_that_json_rpc_gives_them() {
        for (malformed, name, code) in [
            (Malformed::NotJson { at: 3 }, "not-json", -32700),
            (Malformed::InvalidUtf8, "invalid-utf8", -32700),
            (Malformed::DuplicateKey, "duplicate-key", -32600),
            (Malformed::Batch, "batch", -32600),
            (Malformed::CallWithoutId, "call-without-id", -32600),
            (Malformed::CallWithoutName, "call-without-name", -32602),
            (Malformed::ArgumentsNotAnObject, "arguments-not-an-object", -32602),
        ] {
            assert_eq!((malformed.name(), malformed.code()), (name, code));
        }
    }
}
