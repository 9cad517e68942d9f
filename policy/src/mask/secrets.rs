//! What a secret looks like: by the key it stands under, or by its own form.

/// Looked for anywhere in a key, once it is in lower case without separators.
const SECRET_PARTS: [&str; 18] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "authorization",
    "credential",
    "cookie",
    "sessionid",
    "bearer",
    "cardnumber",
];

/// Whole keys, in lower case without separators.
const SECRET_KEYS: [&str; 13] =
    ["auth", "cvc", "cvc2", "cvv", "cvv2", "jwt", "otp", "pass", "pin", "sid", "sig", "signature", "ssn"];

/// Keys that count or limit tokens of a language model: no secrets.
const COUNT_KEYS: [&str; 9] = [
    "maxtokens",
    "maxoutputtokens",
    "maxcompletiontokens",
    "mintokens",
    "tokencount",
    "tokenlimit",
    "tokens",
    "totaltokens",
    "numtokens",
];

/// How secrets of well-known makers begin.
const TOKEN_PREFIXES: [&str; 22] = [
    "AIza",
    "AKIA",
    "ASIA",
    "eyJ",
    "ghp_",
    "gho_",
    "ghr_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "npm_",
    "oak_agent_",
    "oak_live_",
    "oak_session_",
    "rk_live_",
    "sk-",
    "sk_live_",
    "sk_test_",
    "xoxb-",
    "xoxp-",
    "xoxs-",
];

/// Shortest text that is taken for a secret because of how it begins.
const TOKEN_BYTES_MIN: usize = 16;

/// Words that stand before the credential in an HTTP `Authorization` field (RFC 9110, section 11.4).
const SCHEMES: [&str; 4] = ["basic", "bearer", "digest", "token"];

/// Whether what stands under this key is likely a secret. Case and separators do not matter.
pub(super) fn is_secret_key(key: &str) -> bool {
    let plain = plain(key);
    !COUNT_KEYS.contains(&plain.as_str())
        && (SECRET_KEYS.contains(&plain.as_str()) || SECRET_PARTS.iter().any(|part| plain.contains(part)))
}

/// Whether the secret under this key may hold spaces and semicolons, and goes on to the end of its line.
pub(super) fn takes_the_line(key: &str) -> bool {
    let plain = plain(key);
    plain.contains("cookie") || plain.contains("authorization")
}

fn plain(key: &str) -> String {
    key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether `word` is the name of an HTTP authentication scheme.
pub(super) fn is_scheme(word: &str) -> bool {
    SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// Whether `word` is long enough, and begins as well-known secrets do.
pub(super) fn is_token(word: &str) -> bool {
    word.len() >= TOKEN_BYTES_MIN && TOKEN_PREFIXES.iter().any(|prefix| word.starts_with(prefix))
}
