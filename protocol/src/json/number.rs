//! Numbers: the grammar of RFC 8259, and nothing that a double cannot hold.

use super::Reader;
use crate::malformed::Malformed;

/// A number of at most so many bytes and without an exponent fits in a double.
const PLAIN_NUMBER_BYTES_MAX: usize = 300;

impl Reader<'_> {
    pub(super) fn number(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        let exponent = self.eat(b'e') || self.eat(b'E');
        if exponent {
            let _signed = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        if !exponent && self.at.saturating_sub(start) <= PLAIN_NUMBER_BYTES_MAX {
            return Ok(());
        }
        match self.text.get(start..self.at).map(str::parse::<f64>) {
            Some(Ok(number)) if number.is_finite() => Ok(()),
            _ => Err(Malformed::NumberTooLarge),
        }
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let length_bytes = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length_bytes == 0 {
            return Err(self.not_json());
        }
        self.pass(length_bytes);
        Ok(())
    }
}
