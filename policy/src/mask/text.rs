//! Secrets and personal data inside free text, found by their form.
//!
//! One pass: wherever a word can begin, each form is tried once, and looks ahead a bounded way.

use std::ops::Range;

use super::{MASK, Shown, numbers, secrets};

/// Longest key of a `key=value` pair.
const KEY_BYTES_MAX: usize = 64;

/// Longest local part of a mail address (RFC 5321, section 4.5.3.1.1).
const MAIL_LOCAL_BYTES_MAX: usize = 64;

/// Longest user name and password in a URL that are looked for.
const USER_INFO_BYTES_MAX: usize = 512;

/// Longest run of characters that is looked at as one token.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Most quotes and spaces between a key and its value.
const GAP_BYTES_MAX: usize = 8;

/// A token after `Bearer` or the like that has a digit, or at least this many characters, is no plain word.
const CREDENTIAL_BYTES_MIN: usize = 20;

/// Writes `text` with everything secret and personal masked.
pub(super) fn write_text(shown: &mut Shown, text: &str) {
    let mut rest = text;
    let mut previous = ' ';
    while let Some(c) = rest.chars().next() {
        if shown.is_cut {
            return;
        }
        let hidden = if may_begin(previous, c) { find(rest) } else { None };
        let taken = match hidden {
            Some(range) => {
                rest.get(..range.start).unwrap_or_default().chars().for_each(|c| write_char(shown, c));
                shown.push(MASK);
                previous = ' ';
                range.end
            }
            None => {
                write_char(shown, c);
                previous = c;
                c.len_utf8()
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
}

fn may_begin(previous: char, c: char) -> bool {
    !previous.is_alphanumeric() || (c.is_ascii_digit() && !previous.is_ascii_digit())
}

/// A character that does not show, or that turns the direction of others, could make people read another text
/// than the one there is.
fn write_char(shown: &mut Shown, c: char) {
    let deceives = matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    let control = c.is_control() && c != '\n' && c != '\t';
    let c = if deceives || control { char::REPLACEMENT_CHARACTER } else { c };
    shown.push(c.encode_utf8(&mut [0; 4]));
}

/// What to hide of something that begins at the start of `text`, if anything.
fn find(text: &str) -> Option<Range<usize>> {
    private_key(text)
        .or_else(|| pair(text))
        .or_else(|| credential(text))
        .or_else(|| user_info(text))
        .or_else(|| token(text))
        .or_else(|| numbers::card(text).map(|end| 0..end))
        .or_else(|| numbers::iban(text).map(|end| 0..end))
        .or_else(|| numbers::social_security(text).map(|end| 0..end))
        .or_else(|| numbers::phone(text).map(|end| 0..end))
        .or_else(|| mail_local_part(text))
}

/// A private key in PEM (RFC 7468), to its end or the text's.
fn private_key(text: &str) -> Option<Range<usize>> {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    const DASHES: &str = "-----";
    let label = text.strip_prefix(BEGIN)?;
    let label_bytes = label.find(DASHES).filter(|bytes| *bytes <= KEY_BYTES_MAX)?;
    if !label.get(..label_bytes)?.contains("PRIVATE KEY") {
        return None;
    }
    let body = BEGIN.len() + label_bytes + DASHES.len();
    let end = text.get(body..)?.find(END).map_or(text.len(), |end| body + end);
    Some(body..end)
}

/// `password=…`, `"api_key": "…"`, `--token …` and the like.
fn pair(text: &str) -> Option<Range<usize>> {
    let is_option = text.starts_with("--");
    let key_bytes = run(text, KEY_BYTES_MAX, |c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let key = text.get(..key_bytes)?;
    if !secrets::is_secret_key(key) {
        return None;
    }
    let is_gap = |c: char| matches!(c, '"' | '\'' | '\\' | ' ');
    let gap = key_bytes + run(text.get(key_bytes..)?, GAP_BYTES_MAX, is_gap);
    let rest = text.get(gap..)?;
    let start = match rest.chars().next()? {
        ':' | '=' => gap + 1 + run(rest.get(1..)?, GAP_BYTES_MAX, |c| is_gap(c) || c == '>'),
        _ if is_option && gap > key_bytes => gap,
        _ => return None,
    };
    let quote = text.get(..start)?.chars().next_back().filter(|c| matches!(c, '"' | '\''));
    let value = text.get(start..)?;
    let bytes = run(value, usize::MAX, |c| match quote {
        Some(quote) => c != quote && c != '\\',
        None if secrets::takes_the_line(key) => !matches!(c, '\n' | '\r' | '"' | '\''),
        None => !c.is_whitespace() && !matches!(c, ',' | ';' | '&' | '"' | '\'' | ')' | '}' | ']'),
    });
    let after_scheme = match value.get(..bytes).filter(|word| secrets::is_scheme(word)) {
        Some(_) => run(value.get(bytes..)?, TOKEN_BYTES_MAX, |c| !matches!(c, '\n' | '\r' | '"' | '\'')),
        None => 0,
    };
    (bytes > 0).then(|| start..start + bytes + after_scheme)
}

/// `Bearer …`, `Basic …`: the credential after the scheme.
fn credential(text: &str) -> Option<Range<usize>> {
    let scheme = run(text, KEY_BYTES_MAX, |c| c.is_ascii_alphabetic());
    if !secrets::is_scheme(text.get(..scheme)?) || !text.get(scheme..)?.starts_with(' ') {
        return None;
    }
    let start = scheme + 1;
    let word = text.get(start..start + token_bytes(text.get(start..)?))?;
    let is_plain = word.len() < CREDENTIAL_BYTES_MIN && !word.contains(|c: char| c.is_ascii_digit());
    (word.len() > 4 && !is_plain).then(|| start..start + word.len())
}

/// The user's name and password in a URL (RFC 3986, section 3.2.1).
fn user_info(text: &str) -> Option<Range<usize>> {
    let scheme = run(text, KEY_BYTES_MAX, |c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let start = scheme + "://".len();
    if scheme == 0 || !text.get(scheme..)?.starts_with("://") {
        return None;
    }
    let is_info = |c: char| !c.is_whitespace() && !matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>');
    let authority = text.get(start..start + run(text.get(start..)?, USER_INFO_BYTES_MAX, is_info))?;
    authority.rfind('@').map(|end| start..start + end)
}

/// A secret that shows by how it begins.
fn token(text: &str) -> Option<Range<usize>> {
    let bytes = token_bytes(text);
    secrets::is_token(text.get(..bytes)?).then_some(0..bytes)
}

fn token_bytes(text: &str) -> usize {
    run(text, TOKEN_BYTES_MAX, |c| {
        c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '+' | '/' | '=')
    })
}

/// The name before the `@` of a mail address; its domain stays, so that people see where something goes.
fn mail_local_part(text: &str) -> Option<Range<usize>> {
    let is_local = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-' | '\'');
    let local = run(text, MAIL_LOCAL_BYTES_MAX, is_local);
    let domain = text.get(local..)?.strip_prefix('@')?;
    let first_label = run(domain, MAIL_LOCAL_BYTES_MAX, |c| c.is_alphanumeric() || c == '-');
    let dotted = domain.get(first_label..)?.strip_prefix('.')?.starts_with(char::is_alphanumeric);
    (local > 0 && first_label > 0 && dotted).then_some(0..local)
}

/// How many bytes at the start of `text` are of such characters, `bytes_max` at most.
fn run(text: &str, bytes_max: usize, is_part: impl Fn(char) -> bool) -> usize {
    text.char_indices()
        .take_while(|(start, c)| start.saturating_add(c.len_utf8()) <= bytes_max && is_part(*c))
        .last()
        .map_or(0, |(start, c)| start + c.len_utf8())
}
