//! `oakgate keys`: new secrets, printed once, made here or in the control plane.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use receipt::{KeyId, KeySet};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::cli::{Algorithm, KeyKind, KeysCommand};
use crate::exit::{Done, Failure};
use crate::holders::{self, Kind};
use crate::policy_key;
use crate::terminal::{complain, say};

pub(crate) fn run(command: &KeysCommand) -> Done {
    match command {
        KeysCommand::New { id, kind } => {
            let key = new_api_key(*kind)?;
            complain("The key, shown only now:");
            say(&key);
            complain("Its entry for the keys file:");
            say(entry(id, *kind, &key));
        }
        KeysCommand::Receipts { id, algorithm } => say(new_receipt_keys(id, *algorithm)?),
        KeysCommand::Policy { file, public } => return policy_key::run(file, *public),
        KeysCommand::Create { tier, may_name_tenant, new, api } => {
            let mut special = vec![("tier", Value::from(tier.as_str()))];
            special.extend(may_name_tenant.then_some(("may_name_tenant", true.into())));
            return holders::create(Kind::Key, new, special, api);
        }
        KeysCommand::Held(command) => return holders::run(Kind::Key, command),
    }
    Ok(())
}

/// A new API key: 256 random bits.
pub(crate) fn new_api_key(kind: KeyKind) -> Result<String, Failure> {
    let prefix = match kind {
        KeyKind::Standard => "oak_live_",
        KeyKind::Agent => "oak_agent_",
    };
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(entropy()?)))
}

/// A key's entry for the keys file.
pub(crate) fn entry(id: &str, kind: KeyKind, key: &str) -> String {
    let kind = match kind {
        KeyKind::Standard => "standard",
        KeyKind::Agent => "agent",
    };
    let sha256: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("- {{id: {id}, kind: {kind}, sha256: {sha256}}}")
}

/// A JWK set with one new signing key.
pub(crate) fn new_receipt_keys(id: &str, algorithm: Algorithm) -> Result<String, Failure> {
    let id: KeyId = id.parse().map_err(|error| Failure::Input(format!("`{id}`: {error}")))?;
    let entropy = entropy()?;
    let set = match algorithm {
        Algorithm::Hs256 => KeySet::generate_hs256(&id, &entropy),
        Algorithm::Ed25519 => KeySet::generate_ed25519(&id, &entropy),
    };
    Ok(set.as_str().to_owned())
}

/// 256 random bits.
pub(crate) fn entropy() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Fault(format!("no random bits: {error}")))?;
    Ok(bytes)
}
