//! Sets of the levels that hold rules, a bit each, in the order of the walk.

use crate::level::LEVELS_PER_SCOPE;
use crate::{Coordinates, Level, Precedence, Scope};

/// A set of levels. The lowest bit is looked at first: nine for the tenant, then nine for the organisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Levels(u32);

/// The number of levels that hold rules.
const LEVELS: usize = 2 * LEVELS_PER_SCOPE;

impl Levels {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Takes the level out that is looked at first.
    fn take_first(&mut self) -> Option<usize> {
        let bits = self.0;
        if bits == 0 {
            return None;
        }
        self.0 = bits & (bits - 1);
        usize::try_from(bits.trailing_zeros()).ok()
    }
}

/// The order of the walk, and which of its levels name what.
#[derive(Debug)]
pub(crate) struct Walk {
    levels: [Level; LEVELS],
    /// The levels that do not name a tenant, a resource and so on: a call that lacks one still has these.
    without_tenant: Levels,
    without_resource: Levels,
    without_tool: Levels,
    without_method: Levels,
    without_tag: Levels,
}

/// What of each dimension may be found by a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    pub(crate) tenant: Levels,
    pub(crate) resource: Levels,
    pub(crate) tool: Levels,
    pub(crate) method: Levels,
    pub(crate) tags: Levels,
}

impl Walk {
    pub(crate) fn new(precedence: Precedence) -> Self {
        let mut levels = [Level::FailSafe; LEVELS];
        let scopes = [Scope::Tenant, Scope::Org];
        let order = scopes.iter().flat_map(|scope| precedence.order().map(|at| Level::Rule(*scope, at)));
        levels.iter_mut().zip(order).for_each(|(slot, level)| *slot = level);
        let where_not = |names: fn(Scope, Coordinates) -> bool| {
            let bits = levels.iter().enumerate().filter_map(|(bit, level)| match *level {
                Level::Rule(scope, coordinates) if !names(scope, coordinates) => Some(1 << bit),
                _ => None,
            });
            Levels(bits.fold(0, |set, bit: u32| set | bit))
        };
        Self {
            without_tenant: where_not(|scope, _| scope == Scope::Tenant),
            without_resource: where_not(|_, at| at.names_resource()),
            without_tool: where_not(|_, at| at.names_tool()),
            without_method: where_not(|_, at| at.names_method()),
            without_tag: where_not(|_, at| at == Coordinates::Tag),
            levels,
        }
    }

    /// The set of one level.
    pub(crate) fn only(&self, scope: Scope, coordinates: Coordinates) -> Levels {
        let bit = self.levels.iter().position(|level| *level == Level::Rule(scope, coordinates));
        Levels(bit.map_or(0, |bit| 1 << bit))
    }

    /// Those of `held` at which a rule could match: every dimension that the level names is named by some
    /// rule there as the call has it.
    pub(crate) const fn reachable(&self, held: Levels, reach: Reach) -> Levels {
        held.and(reach.tenant.or(self.without_tenant))
            .and(reach.resource.or(self.without_resource))
            .and(reach.tool.or(self.without_tool))
            .and(reach.method.or(self.without_method))
            .and(reach.tags.or(self.without_tag))
    }

    /// The levels of a set, in the order of the walk.
    pub(crate) fn in_order(&self, mut set: Levels) -> impl Iterator<Item = (Scope, Coordinates)> {
        std::iter::from_fn(move || match self.levels.get(set.take_first()?) {
            Some(Level::Rule(scope, coordinates)) => Some((*scope, *coordinates)),
            _ => None,
        })
    }

    /// Every level that a call with or without a tenant looks at, in order.
    pub(crate) fn all(&self, has_tenant: bool) -> &[Level] {
        self.levels.get(if has_tenant { 0 } else { LEVELS_PER_SCOPE }..).unwrap_or_default()
    }
}
