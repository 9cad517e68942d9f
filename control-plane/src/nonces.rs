//! Nonces in Redis, for control planes that serve the same tools and have databases of their own.
//!
//! A nonce is burned here first and in the database second, and both must say that it is fresh: a Redis that lost
//! its data lets nothing be replayed that this database knows. Where Redis cannot say, nothing is redeemed.

mod redis;

use std::sync::Arc;

use policy::UnixMillis;
use receipt::Nonce;

pub use self::redis::{RedisPlace, RedisUrlError};

use self::redis::{Redis, RedisFailed};

/// How far apart the clocks of those who share nonces may be. A nonce is kept so much longer than its receipt lives.
pub(crate) const CLOCK_DIFFERENCE_MS_MAX: u64 = 5 * 60 * 1000;

/// The longest that Redis is asked to keep a nonce: about 1000 years, which it can still count.
const KEPT_MS_MAX: u64 = 1 << 45;

/// The nonces that are shared through Redis, where there is one.
#[derive(Clone, Debug)]
pub(crate) struct SharedNonces(Option<Arc<Redis>>);

/// What burning a nonce gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Burned {
    /// It was fresh, and is burned now.
    Now,
    /// Somebody burned it before.
    Before,
}

/// Redis could not say, so the nonce is not to be used. The log has the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shared nonces cannot be reached")]
pub(crate) struct NoncesUnavailable;

impl SharedNonces {
    /// The nonces at that place; without one, only the database counts. Nothing is connected yet.
    pub(crate) fn new(place: Option<RedisPlace>) -> Self {
        Self(place.map(|place| Arc::new(Redis::new(place))))
    }

    /// Burns a nonce of an org's receipt that ends at `expires_at`.
    pub(crate) async fn burn(
        &self,
        org: &str,
        nonce: &Nonce,
        expires_at: UnixMillis,
        now: UnixMillis,
    ) -> Result<Burned, NoncesUnavailable> {
        let Some(redis) = &self.0 else { return Ok(Burned::Now) };
        // A nonce has no colon, so no two pairs of org and nonce have one key.
        let key = format!("oakgate:nonce:{org}:{nonce}");
        // A duration, not a moment: the clock of Redis may be ahead, and then a moment would be over at once.
        let life_ms = expires_at.0.saturating_sub(now.0).saturating_add(CLOCK_DIFFERENCE_MS_MAX);
        let fresh = redis.set_new(&key, life_ms.min(KEPT_MS_MAX)).await;
        Ok(if unavailable(redis, fresh)? { Burned::Now } else { Burned::Before })
    }

    /// Whether a nonce could be burned.
    pub(crate) async fn answer(&self) -> Result<(), NoncesUnavailable> {
        let Some(redis) = &self.0 else { return Ok(()) };
        unavailable(redis, redis.check().await)
    }
}

/// Says so in the log when Redis fails first, and when it works again.
fn unavailable<T>(redis: &Redis, result: Result<T, RedisFailed>) -> Result<T, NoncesUnavailable> {
    let changed = redis.note(result.is_ok());
    result
        .inspect(|_| {
            if changed {
                tracing::info!(redis = %redis, "nonces can be burned again");
            }
        })
        .map_err(|error| {
            if changed {
                tracing::warn!(redis = %redis, %error, "no nonce can be burned, so no receipt is redeemed");
            }
            NoncesUnavailable
        })
}

#[cfg(test)]
mod tests;
