//! Single bytes, nesting, and keys: what the reader is made of.

use super::{NESTING_MAX, Reader};
use crate::malformed::Malformed;

impl Reader<'_> {
    pub(super) fn nest(&mut self) -> Result<(), Malformed> {
        self.nesting = self.nesting.saturating_add(1);
        if self.nesting > NESTING_MAX { Err(Malformed::TooDeep) } else { Ok(()) }
    }

    /// Drops the keys of an object that ends, and finds the ones that stood in it twice. Sorting keeps this from
    /// taking quadratic time; lengths first, since most keys differ in length.
    pub(super) fn forget_keys(&mut self, first: usize) -> Result<(), Malformed> {
        let keys = self.keys.get_mut(first..).unwrap_or_default();
        keys.sort_unstable_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        let twice = keys.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
        self.keys.truncate(first);
        if twice { Err(Malformed::DuplicateKey) } else { Ok(()) }
    }

    pub(super) fn word(&mut self, word: &str) -> Result<(), Malformed> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.not_json());
        }
        self.pass(word.len());
        Ok(())
    }

    pub(super) fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.pass(1);
        }
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.eat(byte) { Ok(()) } else { Err(self.not_json()) }
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.peek() == Some(byte);
        if eaten {
            self.pass(1);
        }
        eaten
    }

    pub(super) const fn pass(&mut self, length_bytes: usize) {
        self.at = self.at.saturating_add(length_bytes);
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &[u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    pub(super) const fn not_json(&self) -> Malformed {
        Malformed::NotJson { at: self.at }
    }
}
