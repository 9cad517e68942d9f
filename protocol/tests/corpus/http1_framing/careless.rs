//! Servers that are not careful with where a request ends.

/// How one of them reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Careless {
    /// Takes the last of several lengths, and of a list, and not the first.
    last_length: bool,
    /// Takes a length where there is a coding too.
    prefers_length: bool,
    /// Takes a coding for `chunked` if it only has that in it.
    chunked_anywhere: bool,
    /// Ends a line at a carriage return too.
    return_ends_line: bool,
}

impl Careless {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..16).map(|bits: u8| Self {
            last_length: bits & 1 > 0,
            prefers_length: bits & 2 > 0,
            chunked_anywhere: bits & 4 > 0,
            return_ends_line: bits & 8 > 0,
        })
    }

    /// Where the first request of these bytes ends.
    pub(super) fn end(self, bytes: &[u8]) -> Option<usize> {
        let (mut at, mut lines) = (0, 0);
        let (mut lengths, mut codings) = (Vec::new(), Vec::new());
        loop {
            let line = self.line(bytes, &mut at)?;
            if line.is_empty() && lines == 0 {
                continue;
            }
            if line.is_empty() {
                break;
            }
            lines += 1;
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim().to_ascii_lowercase();
            match name.trim().to_ascii_lowercase().replace('_', "-").as_str() {
                "content-length" => lengths.extend(value.split(',').map(number)),
                "transfer-encoding" => codings.push(value),
                _ => {}
            }
        }
        let length = if self.last_length { lengths.last() } else { lengths.first() }.copied();
        let is_chunked = codings.iter().any(|coding| {
            if self.chunked_anywhere { coding.contains("chunked") } else { coding.ends_with("chunked") }
        });
        match length {
            Some(length) if self.prefers_length || !is_chunked => at.checked_add(length),
            _ if is_chunked => self.chunks(bytes, at),
            _ => Some(at),
        }
    }

    fn chunks(self, bytes: &[u8], mut at: usize) -> Option<usize> {
        loop {
            let line = self.line(bytes, &mut at)?;
            let digits: String = line.trim().chars().take_while(char::is_ascii_hexdigit).collect();
            let length = usize::from_str_radix(&digits, 16).ok()?;
            if length == 0 {
                while !self.line(bytes, &mut at)?.is_empty() {}
                return Some(at);
            }
            at += length;
            self.line(bytes, &mut at)?;
        }
    }

    /// The next line, without its end.
    fn line(self, bytes: &[u8], at: &mut usize) -> Option<String> {
        let rest = bytes.get(*at..)?;
        let end = rest.iter().position(|byte| *byte == b'\n' || (self.return_ends_line && *byte == b'\r'))?;
        let is_pair = rest[end] == b'\r' && rest.get(end + 1) == Some(&b'\n');
        *at += end + 1 + usize::from(is_pair);
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        Some(String::from_utf8_lossy(line).into_owned())
    }
}

/// As C reads a number: spaces, a sign, and what digits there are.
fn number(text: &str) -> usize {
    let digits: String =
        text.trim().trim_start_matches('+').chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}
