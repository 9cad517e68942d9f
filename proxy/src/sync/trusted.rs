//! The policy keys that the settings pin.

use std::path::Path;

use config::PolicyKeysPlace;
use policy_sync::TrustedKeys;
use zeroize::Zeroizing;

use watched_files::{FileError, read_at_most};

/// Longest of these files.
const FILE_MAX_BYTES: u64 = 64 * 1024;

/// Most keys in one: a key and those that take its place.
const KEYS_MAX: usize = 16;

/// The keys whose signatures are good.
pub(super) fn trusted(place: &PolicyKeysPlace) -> Result<TrustedKeys, FileError> {
    match place {
        PolicyKeysPlace::File(file) => read(file),
        PolicyKeysPlace::Given(key) => match key.parse() {
            Ok(key) => Ok(TrustedKeys::new(vec![key])),
            Err(error) => Err(FileError::one(Path::new("the join line"), error.to_string())),
        },
    }
}

/// Reads a file of the public halves of policy keys: one a line, `#` begins a comment.
///
/// # Errors
/// [`FileError`] with every line that is no key; also if there is none, or more than 16.
pub fn read(file: &Path) -> Result<TrustedKeys, FileError> {
    // Somebody may have put the secret half there.
    let text = Zeroizing::new(read_at_most(file, FILE_MAX_BYTES)?);
    let (mut keys, mut mistakes) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let key = line.split('#').next().unwrap_or_default().trim();
        match key.parse() {
            _ if key.is_empty() => {}
            Ok(key) => keys.push(key),
            Err(error) => mistakes.push(format!("line {number}: {error}")),
        }
    }
    if keys.len() > KEYS_MAX {
        mistakes.push(format!("has more than {KEYS_MAX} keys"));
    }
    if keys.is_empty() && mistakes.is_empty() {
        mistakes.push("has no key: put the public half of the control plane's policy key there".to_owned());
    }
    if mistakes.is_empty() {
        Ok(TrustedKeys::new(keys))
    } else {
        Err(FileError { file: file.to_owned(), mistakes })
    }
}

#[cfg(test)]
mod tests {
    use policy_sync::PolicyKey;

    use super::*;

    #[test]
    fn each_line_is_a_key_a_comment_or_a_mistake() {
        let one = PolicyKey::generate(&[1; 32]);
        let secret = one.to_text();
        let one = one.public().to_string();
        let many = (0..=KEYS_MAX).map(|_| one.clone() + "\n").collect::<String>();
        for (text, expected) in [
            (one.clone(), None),
            (format!("# ours\n\n  {one}  # since May\r\n{one}\n"), None),
            (String::new(), Some("has no key")),
            ("# none\n".to_owned(), Some("has no key")),
            (format!("{one}\n\nx\n"), Some("line 3: not the public half")),
            (secret.to_string(), Some("line 1: this is the secret half")),
            (many, Some("has more than 16 keys")),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &text).unwrap();
            let read = read(file.path());
            let mistake = read.as_ref().err().map(|error| error.mistakes[0].as_str());
            assert_eq!(mistake.is_some(), expected.is_some(), "{text}: {mistake:?}");
            assert!(mistake.unwrap_or_default().starts_with(expected.unwrap_or_default()), "{mistake:?}");
        }
    }
}
