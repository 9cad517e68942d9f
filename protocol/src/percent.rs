//! Percent-encoding (RFC 3986), decoded once and strictly.

/// Why an encoded text cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undecodable {
    /// `%` without two hexadecimal digits after it.
    Escape,
    /// The bytes are not UTF-8.
    Utf8,
}

pub(crate) fn decode(encoded: &str) -> Result<String, Undecodable> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let high = bytes.next().and_then(hexadecimal).ok_or(Undecodable::Escape)?;
        let low = bytes.next().and_then(hexadecimal).ok_or(Undecodable::Escape)?;
        decoded.push((high << 4) | low);
    }
    String::from_utf8(decoded).map_err(|_| Undecodable::Utf8)
}

fn hexadecimal(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// True where a second decoding would find something to decode: `%` with two hexadecimal digits, or the `%u` that
/// some servers take for an escape.
pub(super) fn is_encoded_still(decoded: &str) -> bool {
    decoded.split('%').skip(1).any(|after| {
        let mut bytes = after.bytes();
        let first = bytes.next();
        let hexadecimal = first.is_some_and(|byte| byte.is_ascii_hexdigit());
        let then = bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        (hexadecimal && then) || matches!(first, Some(b'u' | b'U'))
    })
}
