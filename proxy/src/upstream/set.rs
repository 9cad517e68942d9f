//! The endpoints of one moment, laid out for choosing among them. A change makes another set.

use std::sync::Arc;

use pingora_ketama::{Bucket, Continuum, DEFAULT_POINT_MULTIPLE};

use super::endpoint::Endpoint;

/// Points on the ring for each unit of weight.
const POINTS_PER_WEIGHT: usize = DEFAULT_POINT_MULTIPLE as usize;

/// Endpoints; laid out by turns and on a ring.
#[derive(Default)]
pub(super) struct Set {
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// Places in `endpoints`, each as often as its weight says, as far apart as can be.
    turns: Vec<usize>,
    /// Consistent hashing: the same for every proxy that knows the same endpoints, and little changes when one comes or
    /// goes.
    ring: Option<Continuum>,
}

impl Set {
    pub(super) fn new(endpoints: Vec<Arc<Endpoint>>) -> Self {
        let bucket = |endpoint: &Arc<Endpoint>| Bucket::new(endpoint.address, endpoint.weight.max(1).into());
        let buckets: Vec<Bucket> = endpoints.iter().map(bucket).collect();
        let weights: Vec<i32> = endpoints.iter().map(|endpoint| endpoint.weight.into()).collect();
        let ring = (endpoints.len() > 1).then(|| Continuum::new(&buckets));
        Self { turns: turns(&weights), endpoints, ring }
    }

    /// The endpoint of a caller: always the same one among those that fit.
    pub(super) fn of_caller(
        &self,
        caller: &str,
        fits: &dyn Fn(&Arc<Endpoint>) -> bool,
    ) -> Option<&Arc<Endpoint>> {
        let fitting = self.endpoints.iter().filter(|endpoint| fits(endpoint)).count();
        let ring = self.ring.as_ref().filter(|_| fitting > 0)?;
        // Within one round every endpoint is met.
        let points = self.turns.len().saturating_mul(POINTS_PER_WEIGHT);
        let mut nodes = ring.node_iter(caller.as_bytes()).take(points);
        nodes.find_map(|node| self.endpoints.iter().find(|other| other.address == *node && fits(other)))
    }

    /// The next endpoint in turn, or the one after it if that has fewer calls under way.
    pub(super) fn in_turn(
        &self,
        turn: usize,
        fits: &dyn Fn(&Arc<Endpoint>) -> bool,
    ) -> Option<&Arc<Endpoint>> {
        let start = turn.checked_rem(self.turns.len())?;
        let turns = self.turns.iter().cycle().skip(start).take(self.turns.len());
        let mut fitting = turns.filter_map(|place| self.endpoints.get(*place)).filter(|other| fits(other));
        let first = fitting.next()?;
        match fitting.find(|other| !Arc::ptr_eq(other, first)) {
            Some(second) if second.has_fewer_calls_than(first) => Some(second),
            _ => Some(first),
        }
    }
}

/// Smooth weighted round robin, one round of it: each in turn gains its weight, and the one that has most is next and
/// pays for all.
fn turns(weights: &[i32]) -> Vec<usize> {
    let total: i32 = weights.iter().sum();
    let mut gained = vec![0; weights.len()];
    let next = |_| {
        gained.iter_mut().zip(weights).for_each(|(gained, weight)| *gained += weight);
        let most = gained.iter().max().copied()?;
        let place = gained.iter().position(|gained| *gained == most)?;
        *gained.get_mut(place)? -= total;
        Some(place)
    };
    (0..total).filter_map(next).collect()
}

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Set").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread() {
        assert_eq!(turns(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(turns(&[3, 1]), [0, 0, 1, 0]);
        assert_eq!(turns(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(turns(&[]), [0; 0]);
    }
}
