//! What commands read from a file or, for `-`, from standard input.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use serde_json::value::RawValue;

use crate::cli::ArgumentsOptions;
use crate::exit::Failure;

/// Largest text that is read.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// A text from a file or, for `-`, from standard input. A longer one than what is read is refused: what is left of it may
/// say something else.
pub(crate) fn read(file: &Path) -> Result<String, Failure> {
    let fail = |why: String| Failure::Input(format!("{}: {why}", name(file)));
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        stdin().lock().take(TEXT_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        File::open(file).and_then(|file| file.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text))
    };
    let length = read.map_err(|error| fail(format!("can't be read: {error}")))?;
    if u64::try_from(length).is_ok_and(|length| length <= TEXT_BYTES_MAX) {
        Ok(text)
    } else {
        Err(fail(format!("is longer than {TEXT_BYTES_MAX} bytes")))
    }
}

/// What that file is called in messages.
pub(crate) fn name(file: &Path) -> String {
    if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() }
}

/// The arguments of a call, letter for letter: what is decided must be what was written.
pub(crate) fn arguments(options: &ArgumentsOptions) -> Result<Option<Box<RawValue>>, Failure> {
    let (name, text) = match (&options.args, &options.args_file) {
        (Some(text), _) => ("--args", text.clone()),
        (None, Some(file)) => ("--args-file", read(file)?),
        (None, None) => return Ok(None),
    };
    let wrong = |why: &str| Failure::Input(format!("{name}: not a JSON object: {why}"));
    let value: Box<RawValue> = serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
    if value.get().starts_with('{') { Ok(Some(value)) } else { Err(wrong("it must be in `{` and `}`")) }
}
