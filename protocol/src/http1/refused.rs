//! Why bytes are not taken for an HTTP/1.1 request.

use thiserror::Error;

/// The reasons why a request is refused by its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, strum::EnumIter, strum::EnumMessage)]
pub enum FramingRefused {
    /// Where the body ends is in doubt: both `Content-Length` and `Transfer-Encoding`, one of them twice (also with `_`
    /// for `-`), a length that is not a number, a coding beside `chunked`, or `Transfer-Encoding` in HTTP/1.0.
    #[error("where its body ends is in doubt; send one `Content-Length`, or `Transfer-Encoding: chunked`")]
    AmbiguousFraming,
    /// The body is chunked, and a chunk is not formed as RFC 9112, section 7.1, says, or its extensions or the trailers
    /// are too long.
    #[error("its body is not chunked as it should be")]
    BadChunk,
    /// A header line without a name or a colon, with a space before the colon, with a control character, or with a name of
    /// more than 1024 bytes.
    #[error("a header line is not a name, a colon and a value")]
    BadHeader,
    /// The first line is not `METHOD target HTTP/1.1`.
    #[error("the first line is not that of an HTTP request")]
    BadRequestLine,
    /// The target is neither a path, nor an `http:` or `https:` URL, nor `*` for `OPTIONS`. `CONNECT` is not served.
    #[error("the request target is not one that is served here")]
    BadTarget,
    /// A line that ends with a carriage return or a line feed alone.
    #[error("a line does not end with a carriage return and a line feed")]
    BareLineEnd,
    /// A header line that goes on in the next line (`obs-fold`).
    #[error("a header line goes on in the next line")]
    FoldedHeader,
    /// The head did not arrive in `header_timeout_seconds`.
    #[error("the head did not arrive in time")]
    HeaderTimeout,
    /// The head is larger than `max_header_bytes`.
    #[error("the head is too large")]
    HeaderTooLarge,
    /// Neither HTTP/1.1 nor HTTP/1.0.
    #[error("that version of HTTP is not spoken here")]
    HttpVersion,
    /// The request target is longer than `max_target_bytes`.
    #[error("the request target is too long")]
    TargetTooLong,
    /// There are more header lines than `max_headers`.
    #[error("there are too many header lines")]
    TooManyHeaders,
    /// A `Transfer-Encoding` other than `chunked`.
    #[error("only `chunked` is known as a transfer coding")]
    UnknownTransferCoding,
}

impl FramingRefused {
    /// The reason's stable name: a metric label, and the word in records and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AmbiguousFraming => "ambiguous-framing",
            Self::BadChunk => "bad-chunk",
            Self::BadHeader => "bad-header",
            Self::BadRequestLine => "bad-request-line",
            Self::BadTarget => "bad-target",
            Self::BareLineEnd => "bare-line-end",
            Self::FoldedHeader => "folded-header",
            Self::HeaderTimeout => "header-timeout",
            Self::HeaderTooLarge => "header-too-large",
            Self::HttpVersion => "http-version",
            Self::TargetTooLong => "target-too-long",
            Self::TooManyHeaders => "too-many-headers",
            Self::UnknownTransferCoding => "unknown-transfer-coding",
        }
    }

    /// The HTTP status that answers it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::AmbiguousFraming
            | Self::BadChunk
            | Self::BadHeader
            | Self::BadRequestLine
            | Self::BadTarget
            | Self::BareLineEnd
            | Self::FoldedHeader => 400,
            Self::HeaderTimeout => 408,
            Self::TargetTooLong => 414,
            Self::HeaderTooLarge | Self::TooManyHeaders => 431,
            Self::UnknownTransferCoding => 501,
            Self::HttpVersion => 505,
        }
    }

    /// The limit that was hit, by its name in the settings.
    #[must_use]
    pub const fn limit(self) -> Option<&'static str> {
        match self {
            Self::HeaderTimeout => Some("header_timeout_seconds"),
            Self::HeaderTooLarge => Some("max_header_bytes"),
            Self::TargetTooLong => Some("max_target_bytes"),
            Self::TooManyHeaders => Some("max_headers"),
            Self::AmbiguousFraming
            | Self::BadChunk
            | Self::BadHeader
            | Self::BadRequestLine
            | Self::BadTarget
            | Self::BareLineEnd
            | Self::FoldedHeader
            | Self::HttpVersion
            | Self::UnknownTransferCoding => None,
        }
    }
}
