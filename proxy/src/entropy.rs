//! Random bits, fetched from the system a page at a time.

use std::cell::RefCell;

const PAGE_BYTES: usize = 4096;

/// A worker's supply of random bits.
#[derive(Debug)]
pub(crate) struct Entropy(RefCell<Page>);

#[derive(Debug)]
struct Page {
    bytes: Box<[u8; PAGE_BYTES]>,
    used: usize,
}

/// The system gave no random bits.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system gave no random bits")]
pub(crate) struct NoEntropy;

impl Entropy {
    pub(crate) fn new() -> Self {
        Self(RefCell::new(Page { bytes: Box::new([0; PAGE_BYTES]), used: PAGE_BYTES }))
    }

    /// 128 bits that were never given before; they are wiped here as they go.
    pub(crate) fn nonce(&self) -> Result<[u8; 16], NoEntropy> {
        let mut page = self.0.borrow_mut();
        if page.used + 16 > PAGE_BYTES {
            getrandom::fill(page.bytes.as_mut_slice()).map_err(|_| NoEntropy)?;
            page.used = 0;
        }
        let from = page.used;
        page.used += 16;
        let mut nonce = [0; 16];
        let source = page.bytes.get_mut(from..from + 16).ok_or(NoEntropy)?;
        nonce.copy_from_slice(source);
        source.fill(0);
        Ok(nonce)
    }
}
