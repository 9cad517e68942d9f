//! Places for what clients can hold for long, such as connections: so many in all, and so many of one client, that nobody
//! can take all of them.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::keyed_count::{KeyCounted, KeyedCount};

/// All places.
#[derive(Debug)]
pub struct Places {
    all: Arc<Semaphore>,
    of_each: KeyedCount,
}

/// A place, given back on drop.
#[derive(Debug)]
pub struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_each: KeyCounted,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All are taken.
    All,
    /// Who asks has as many as it may.
    Each,
}

impl Places {
    /// So many in all, and of each client.
    #[must_use]
    pub fn new(all: usize, each: u32) -> Self {
        Self {
            all: Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS))),
            of_each: KeyedCount::new(each),
        }
    }

    /// A place for a client.
    ///
    /// # Errors
    /// [`Full`].
    pub fn take(&self, client: impl Hash) -> Result<Place, Full> {
        let of_each = self.of_each.enter(client).ok_or(Full::Each)?;
        let of_all = Arc::clone(&self.all).try_acquire_owned().map_err(|_| Full::All)?;
        Ok(Place { _of_all: of_all, _of_each: of_each })
    }
}

/// What one customer of a network usually has: an IPv4 address, or an IPv6 network of 64 bits.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_all_places() {
        let places = Places::new(3, 2);
        let take = |address: &str| places.take(network(address.parse().unwrap()));
        let first = take("2001:db8::1").unwrap();
        let _second = take("2001:db8::ffff:0:0:1").unwrap();
        assert_eq!(take("2001:db8::2").unwrap_err(), Full::Each);
        let _third = take("2001:db8:0:1::1").unwrap();
        assert_eq!(take("192.0.2.1").unwrap_err(), Full::All);
        drop(first);
        let _fourth = take("192.0.2.1").unwrap();
    }

    #[test]
    fn networks() {
        for (address, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            assert_eq!(network(address.parse().unwrap()).to_string(), expected);
        }
    }
}
