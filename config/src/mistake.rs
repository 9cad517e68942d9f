//! A mistake in a file, with its path in that file.

use std::fmt;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where: `proxy.listeners[0].address`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// All the mistakes of one file; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes {
    /// The file's name, as it was given.
    pub file: String,
    /// The mistakes, in the order of the file where that is known.
    pub list: Vec<Mistake>,
}

impl Mistake {
    /// A mistake at a path.
    pub fn at(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { path: path.into(), what: what.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.what) } else { write!(f, "{}: {}", self.path, self.what) }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, mistake) in self.list.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}: {mistake}", self.file)?;
        }
        Ok(())
    }
}
