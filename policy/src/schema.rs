//! The JSON Schema of policy documents, for editors and other tools.

#[cfg(test)]
mod tests;

/// The JSON Schema (2020-12) of policy documents. It knows their shape; what needs more than one place of a
/// document to be seen (duplicates, shadowed rules, unknown categories), lengths in bytes and conditions are left
/// to [`crate::Document::parse`].
pub const SCHEMA: &str = include_str!("../policy.schema.json");
