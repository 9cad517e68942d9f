//! Numbers that are personal data: payment cards (ISO/IEC 7812), bank accounts (ISO 13616), US social security
//! numbers, and telephone numbers (E.164). Each function says how many bytes at the start of a text are one.

const CARD_DIGITS_MIN: usize = 14;
const CARD_DIGITS_MAX: usize = 19;
const IBAN_CHARS_MIN: usize = 15;
const IBAN_CHARS_MAX: usize = 34;
const PHONE_DIGITS_MIN: usize = 8;
const PHONE_DIGITS_MAX: usize = 15;

/// A payment card: of a card's length, of an issuer's first digit, and with the check digit of Luhn.
pub(super) fn card(text: &str) -> Option<usize> {
    if !text.starts_with(['2', '3', '4', '5', '6']) {
        return None;
    }
    readings(text, b" -", CARD_DIGITS_MAX, |byte| byte.is_ascii_digit())
        .into_iter()
        .find(|(digits, _)| digits.len() >= CARD_DIGITS_MIN && has_luhn_digit(digits))
        .map(|(_, end)| end)
}

/// An international bank account number whose check digits agree.
pub(super) fn iban(text: &str) -> Option<usize> {
    let begins = text.as_bytes().first_chunk::<4>().is_some_and(|[a, b, c, d]| {
        a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_digit() && d.is_ascii_digit()
    });
    if !begins {
        return None;
    }
    readings(text, b" ", IBAN_CHARS_MAX, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        .into_iter()
        .find(|(chars, _)| chars.len() >= IBAN_CHARS_MIN && has_iban_digits(chars))
        .map(|(_, end)| end)
}

/// A United States social security number, `AAA-GG-SSSS`.
pub(super) fn social_security(text: &str) -> Option<usize> {
    let number = text.get(..11)?;
    let shaped = number.bytes().enumerate().all(|(position, byte)| match position {
        3 | 6 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let given = !number.starts_with("000") && !number.starts_with("666") && !number.starts_with('9');
    let ends = !text.get(11..)?.starts_with(|c: char| c.is_alphanumeric() || c == '-');
    (shaped && given && ends).then_some(11)
}

/// A telephone number with its country code, `+…`.
pub(super) fn phone(text: &str) -> Option<usize> {
    let number = text.strip_prefix('+').filter(|number| number.starts_with(|c: char| c.is_ascii_digit()))?;
    readings(number, b" -.()", PHONE_DIGITS_MAX, |byte| byte.is_ascii_digit())
        .into_iter()
        .find(|(digits, _)| digits.len() >= PHONE_DIGITS_MIN)
        .map(|(_, end)| end.saturating_add(1))
}

/// Every way to read a number at the start of `text`, longest first: its characters, and where it ends. It may be
/// written in groups with one or two of `separators` between them, and ends where no letter or digit follows.
fn readings(
    text: &str,
    separators: &[u8],
    chars_max: usize,
    is_part: fn(u8) -> bool,
) -> Vec<(Vec<u8>, usize)> {
    let mut found = Vec::new();
    let mut chars = Vec::new();
    let mut separated = 0;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((position, byte)) = bytes.next() {
        if is_part(byte) && chars.len() < chars_max {
            chars.push(byte);
            separated = 0;
            // Every byte of a character beyond ASCII counts as a letter here.
            if !bytes.peek().is_some_and(|(_, next)| next.is_ascii_alphanumeric() || !next.is_ascii()) {
                found.push((chars.clone(), position.saturating_add(1)));
            }
        } else if separators.contains(&byte) && separated < 2 {
            separated += 1;
        } else {
            break;
        }
    }
    found.reverse();
    found
}

/// ISO/IEC 7812-1, annex B.
fn has_luhn_digit(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(position, byte)| {
            let digit = u32::from(byte.saturating_sub(b'0'));
            match position % 2 {
                0 => digit,
                _ => digit * 2 / 10 + digit * 2 % 10,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO 13616-1: the first four characters moved to the end, letters as 10 to 35, the remainder by 97 is 1.
fn has_iban_digits(chars: &[u8]) -> bool {
    let (head, tail) = chars.split_at(4.min(chars.len()));
    let remainder = tail.iter().chain(head).fold(0u32, |remainder, byte| match byte {
        b'A'..=b'Z' => (remainder * 100 + u32::from(byte - b'A') + 10) % 97,
        _ => (remainder * 10 + u32::from(byte.saturating_sub(b'0'))) % 97,
    });
    remainder == 1
}
