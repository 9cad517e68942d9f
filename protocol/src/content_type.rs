//! What a content type says about a body. A charset other than UTF-8 would make another text of the bytes that are read
//! here as UTF-8.

/// The kinds of bodies that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`, `text/json` and any `+json` (RFC 6839).
    Json,
    /// Anything else, or nothing.
    Other,
}

impl ContentType {
    /// Reads the one value of `Content-Type`; `None` for a list, or for a charset other than UTF-8.
    #[must_use]
    pub fn read(value: Option<&[u8]>) -> Option<Self> {
        let value = String::from_utf8_lossy(value.unwrap_or_default()).to_ascii_lowercase();
        if value.contains(',') {
            return None;
        }
        let mut parts = value.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let mut charsets = parts.filter_map(|part| part.strip_prefix("charset")).map(|rest| {
            rest.trim_start()
                .trim_start_matches('=')
                .trim_matches(|c: char| c == '"' || c == '\'' || c.is_whitespace())
        });
        if !charsets.all(|charset| charset == "utf-8" || charset == "utf8") {
            return None;
        }
        Some(match media_type {
            "application/x-www-form-urlencoded" => Self::Form,
            "application/json" | "text/json" => Self::Json,
            other if other.ends_with("+json") => Self::Json,
            _ => Self::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_type_in_utf_8() {
        for (value, expected) in [
            ("", Some(ContentType::Other)),
            ("application/json", Some(ContentType::Json)),
            ("Application/Problem+JSON; charset=\"UTF-8\"", Some(ContentType::Json)),
            ("application/x-www-form-urlencoded", Some(ContentType::Form)),
            ("text/plain;charset=utf8", Some(ContentType::Other)),
            ("application/json; charset=utf-7", None),
            ("application/json; x=y; charset = latin1", None),
            ("text/plain, application/json", None),
        ] {
            assert_eq!(ContentType::read(Some(value.as_bytes())), expected, "{value}");
        }
        assert_eq!(ContentType::read(None), Some(ContentType::Other));
    }
}
