//! Every way a token is refused.

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, strum::EnumIter, strum::EnumMessage)]
pub(crate) enum TokenRefused {
    /// A token's `alg` is not one of `jwt.algorithms`, or not that of its key. Algorithms with a shared secret, and `none`,
    /// never are.
    #[error("the token is signed with an algorithm that is not taken here")]
    Algorithm,
    /// None of a token's audiences (`aud`) is this resource (RFC 8707).
    #[error("the token is for another resource")]
    Audience,
    /// A token has no `exp`, a claim of another type than it must have, or no usable text in a claim that says who calls or
    /// which tenant's caller it is.
    #[error("the token lacks a claim that is needed, or has one that can not be read")]
    Claims,
    /// A token has `crit`: something must be understood that nobody here does.
    #[error("the token has extensions that must be understood")]
    Critical,
    /// A token is of another issuer.
    #[error("the token is of another issuer")]
    Issuer,
    /// A token's key (`kid`) is not one of the issuer's, or no longer; or it names none, and there are several.
    #[error("the token is signed with a key that is not known here")]
    Key,
    /// `Authorization: Bearer` carries neither a key nor a signed JSON Web Token in compact form, or one that two readers
    /// could read differently.
    #[error("the token is not a signed JSON Web Token that can be read")]
    Malformed,
    /// A token is not valid yet (`nbf`), or was issued in the future (`iat`).
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A token's signature is wrong.
    #[error("the signature of the token is wrong")]
    Signature,
    /// A token is larger than `max_token_bytes`.
    #[error("the token is too large")]
    TooLarge,
    /// A token's `typ` is another than `JWT` or `at+jwt` (RFC 9068).
    #[error("the token is of another type than an access token")]
    Type,
}

impl TokenRefused {
    /// The reason's stable name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Algorithm => "token-algorithm",
            Self::Audience => "token-audience",
            Self::Claims => "token-claims",
            Self::Critical => "token-critical",
            Self::Issuer => "token-issuer",
            Self::Key => "token-key",
            Self::Malformed => "token-malformed",
            Self::NotYetValid => "token-not-yet-valid",
            Self::Signature => "token-signature",
            Self::TooLarge => "token-too-large",
            Self::Type => "token-type",
        }
    }
}
