//! The handshake of the revisions up to 2025-11-25, as the server answers it.

use crate::json::Reader;
use crate::malformed::Malformed;
use crate::mcp::Revision;

/// The revision that a server settles on, if the message is its answer to an `initialize` and can be read strictly.
#[must_use]
pub fn settled_revision(message: &[u8]) -> Option<Revision> {
    read(message).ok().flatten()
}

fn read(message: &[u8]) -> Result<Option<Revision>, Malformed> {
    let mut revision = None;
    let mut reader = Reader::new(message)?;
    let Some(mut envelope) = reader.object_if()? else { return Ok(None) };
    while let Some(key) = reader.key(&mut envelope)? {
        if key != "result" {
            reader.skip()?;
            continue;
        }
        let Some(mut result) = reader.object_if()? else { continue };
        while let Some(key) = reader.key(&mut result)? {
            if key == "protocolVersion" {
                revision = reader.text()?.and_then(|version| Revision::parse(&version));
            } else {
                reader.skip()?;
            }
        }
    }
    reader.finish()?;
    Ok(revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_strict_answer_settles_a_revision() {
        let table = [
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-03-26"}}"#,
                Some(Revision::V2025_03_26),
            ),
            (r#"{"result":{"a":[{}],"protocolVersion":"2025-11-25"},"id":1}"#, Some(Revision::V2025_11_25)),
            (r#"{"result":{"protocolVersion":"2025-03-26","protocolVersion":"2025-11-25"}}"#, None),
            (r#"{"result":{"protocolVersion":"1999-01-01"}}"#, None),
            (r#"{"result":{"protocolVersion":1}}"#, None),
            (r#"{"params":{"protocolVersion":"2025-03-26"}}"#, None),
            (r#"[{"result":{"protocolVersion":"2025-03-26"}}]"#, None),
            (r#"{"result":{"protocolVersion":"2025-03-26"}}x"#, None),
            ("", None),
        ];
        for (message, revision) in table {
            assert_eq!(settled_revision(message.as_bytes()), revision, "{message}");
        }
    }
}
