//! Why a receipt was refused. The names are part of the contract: logs, metrics and command line use them.

/// Why a receipt was refused, in the words of the contract. `Display` says more than [`Refusal::name`], but
/// nothing that came from the receipt.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The call carries no receipt. Found by whoever reads the call, not by [`verify`](crate::verify).
    #[error("the call carries no receipt")]
    Missing,
    /// Not a receipt in form: too long, not three parts, another header, a claim missing or twice.
    #[error("not a well-formed receipt")]
    Malformed,
    /// The signature is not of the key that the receipt names, or that key is for another algorithm.
    #[error("the signature does not fit")]
    BadSignature,
    /// No key of this id is in the set, or it is past its `not_after`.
    #[error("the key is unknown or no longer good")]
    UnknownKey,
    /// Its `exp` has come.
    #[error("the receipt has expired")]
    Expired,
    /// It is for another backend.
    #[error("the receipt is for another audience")]
    WrongAudience,
    /// Another caller presents it.
    #[error("the receipt is another caller's")]
    WrongCaller,
    /// Its coordinates, body or arguments are not those of the call, or it is not of the `use` demanded
    /// (for a grant that was demanded, see [`Refusal::NotAGrant`]).
    #[error("the receipt is for another call")]
    WrongCall,
    /// A grant was demanded, and this is none, or its verdict is not `allowed`.
    #[error("the receipt is not a grant")]
    NotAGrant,
    /// Its nonce was used. Found by whoever keeps the nonces, not by [`verify`](crate::verify).
    #[error("the receipt was used before")]
    Replayed,
}

impl Refusal {
    /// The reason as the contract writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::BadSignature => "bad-signature",
            Self::UnknownKey => "unknown-key",
            Self::Expired => "expired",
            Self::WrongAudience => "wrong-audience",
            Self::WrongCaller => "wrong-caller",
            Self::WrongCall => "wrong-call",
            Self::NotAGrant => "not-a-grant",
            Self::Replayed => "replayed",
        }
    }
}
