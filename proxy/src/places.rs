//! Places for client connections: so many in all, and so many from one address, that nobody can take all of them.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use config::Limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::keyed_count::{KeyCounted, KeyedCount};

/// All places of a proxy.
#[derive(Debug)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    of_address: KeyedCount,
}

/// A connection's place, given back on drop.
#[derive(Debug)]
pub(crate) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_address: KeyCounted,
}

impl Places {
    /// `max_connections`: those that there are open files for.
    pub(crate) fn new(max_connections: usize, limits: &Limits) -> Self {
        Self {
            all: Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS))),
            of_address: KeyedCount::new(limits.max_connections_per_address),
        }
    }

    /// A place for a connection from an address.
    ///
    /// # Errors
    /// The limit that is reached.
    pub(crate) fn take(&self, address: IpAddr) -> Result<Place, &'static str> {
        let of_address = self.of_address.enter(network(address)).ok_or("max_connections_per_address")?;
        let of_all = Arc::clone(&self.all).try_acquire_owned().map_err(|_| "max_connections")?;
        Ok(Place { _of_all: of_all, _of_address: of_address })
    }
}

/// What one customer of a network usually has: an IPv4 address, or an IPv6 network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
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
        let limits = Limits { max_connections_per_address: 2, ..Limits::default() };
        let places = Places::new(3, &limits);
        let take = |address: &str| places.take(address.parse().unwrap());
        let first = take("2001:db8::1").unwrap();
        let _second = take("2001:db8::ffff:0:0:1").unwrap();
        assert_eq!(take("2001:db8::2").unwrap_err(), "max_connections_per_address");
        let _third = take("2001:db8:0:1::1").unwrap();
        assert_eq!(take("192.0.2.1").unwrap_err(), "max_connections");
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
