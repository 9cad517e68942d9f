//! The reference that caller and approver both see: `REF-XXXXXXXX-XXXX`.

use std::fmt;

use serde::{Deserialize, Serialize};

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUPS: [usize; 2] = [8, 4];

/// An approval's reference: twelve Crockford base32 digits (60 bits) in two groups.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference(String);

/// A text that is not a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a reference: expected REF-XXXXXXXX-XXXX")]
pub struct NotAReference;

impl Reference {
    /// Makes a reference of 60 random bits; the upper four are ignored.
    #[must_use]
    pub fn from_entropy(bits: u64) -> Self {
        let mut text = String::from("REF");
        let mut shift = 60u32;
        for group in GROUPS {
            text.push('-');
            for _ in 0..group {
                shift = shift.saturating_sub(5);
                let digit = usize::try_from((bits >> shift) & 31).unwrap_or(0);
                text.push(CROCKFORD.get(digit).copied().map_or('0', char::from));
            }
        }
        Self(text)
    }

    /// Reads a reference as a person types it: any case, and O, I, L for 0, 1, 1 (Crockford's rule).
    ///
    /// # Errors
    /// [`NotAReference`] if it has another form.
    pub fn parse(text: &str) -> Result<Self, NotAReference> {
        let mut parts = text.trim().split('-');
        if !parts.next().is_some_and(|word| word.eq_ignore_ascii_case("REF")) {
            return Err(NotAReference);
        }
        let mut canonical = String::from("REF");
        for group in GROUPS {
            let part = parts.next().filter(|part| part.len() == group).ok_or(NotAReference)?;
            canonical.push('-');
            for c in part.chars() {
                canonical.push(digit(c).ok_or(NotAReference)?);
            }
        }
        if parts.next().is_some() {
            return Err(NotAReference);
        }
        Ok(Self(canonical))
    }

    /// The reference as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn digit(c: char) -> Option<char> {
    let c = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    u8::try_from(c).ok().filter(|byte| CROCKFORD.contains(byte)).map(char::from)
}

impl TryFrom<String> for Reference {
    type Error = NotAReference;

    fn try_from(text: String) -> Result<Self, NotAReference> {
        Self::parse(&text)
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_bits_become_twelve_digits() {
        assert_eq!(Reference::from_entropy(0).as_str(), "REF-00000000-0000");
        assert_eq!(Reference::from_entropy(u64::MAX).as_str(), "REF-ZZZZZZZZ-ZZZZ");
        assert_eq!(Reference::from_entropy(1).as_str(), "REF-00000000-0001");
    }

    #[test]
    fn reads_what_people_type() {
        let typed = Reference::parse(" ref-oil00000-zzzz\n").unwrap();
        assert_eq!(typed.as_str(), "REF-01100000-ZZZZ");
        for bad in
            ["", "REF", "REF-0000000-00000", "REF-00000000-000U", "REF-00000000-0000-1", "00000000-0000"]
        {
            assert_eq!(Reference::parse(bad), Err(NotAReference), "{bad}");
        }
    }
}
