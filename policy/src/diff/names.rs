//! The values of one dimension, in as few classes as two documents tell apart.

use std::ops::Range;

/// One of the four dimensions of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dimension {
    Tenant,
    Tool,
    Resource,
    Method,
}

impl Dimension {
    /// The dimension that is looked at next.
    pub(super) const fn next(self) -> Option<Self> {
        match self {
            Self::Tenant => Some(Self::Tool),
            Self::Tool => Some(Self::Resource),
            Self::Resource => Some(Self::Method),
            Self::Method => None,
        }
    }
}

/// Something for each dimension.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct PerDimension<T> {
    pub(super) tenant: T,
    pub(super) tool: T,
    pub(super) resource: T,
    pub(super) method: T,
}

impl<T> PerDimension<T> {
    pub(super) const fn of(&self, dimension: Dimension) -> &T {
        match dimension {
            Dimension::Tenant => &self.tenant,
            Dimension::Tool => &self.tool,
            Dimension::Resource => &self.resource,
            Dimension::Method => &self.method,
        }
    }

    pub(super) const fn of_mut(&mut self, dimension: Dimension) -> &mut T {
        match dimension {
            Dimension::Tenant => &mut self.tenant,
            Dimension::Tool => &mut self.tool,
            Dimension::Resource => &mut self.resource,
            Dimension::Method => &mut self.method,
        }
    }
}

/// What a rule names in one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named<'d> {
    /// Exactly this value.
    Exact(&'d str),
    /// Every value that begins so.
    Prefix(&'d str),
}

impl<'d> Named<'d> {
    const fn text(self) -> &'d str {
        match self {
            Self::Exact(text) | Self::Prefix(text) => text,
        }
    }
}

/// Values that no rule of either document tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class<'d> {
    /// A value that is named, or those under a pattern that are named no more closely.
    Named(Named<'d>),
    /// Every other value, and calls that lack the dimension: neither matches any rule.
    OtherOrAbsent,
    /// Every other value.
    Other,
    /// Calls that lack the dimension.
    Absent,
}

impl Class<'_> {
    /// Whether it has values that nobody names.
    pub(super) const fn is_unnamed(self) -> bool {
        matches!(self, Self::OtherOrAbsent | Self::Other)
    }
}

/// The classes of one dimension. They are known by their places.
#[derive(Debug)]
pub(super) struct Names<'d> {
    /// Sorted by text, so that those under one pattern stand together.
    named: Vec<Named<'d>>,
    rest: &'static [Class<'static>],
}

impl<'d> Names<'d> {
    pub(super) fn new(dimension: Dimension, named: impl Iterator<Item = Named<'d>>) -> Self {
        let mut named: Vec<Named<'d>> = named.collect();
        named.sort_unstable_by_key(|name| (name.text(), *name));
        named.dedup();
        let matches_all = named.contains(&Named::Prefix(""));
        let rest: &[Class<'_>] = match (dimension, matches_all) {
            (Dimension::Tenant | Dimension::Method, _) => &[Class::OtherOrAbsent],
            (Dimension::Tool, false) => &[Class::Other],
            (Dimension::Tool, true) => &[],
            (Dimension::Resource, false) => &[Class::OtherOrAbsent],
            (Dimension::Resource, true) => &[Class::Absent],
        };
        Self { named, rest }
    }

    pub(super) const fn all(&self) -> Range<usize> {
        0..self.named.len().saturating_add(self.rest.len())
    }

    /// The classes that a rule which names this matches.
    pub(super) fn matched(&self, name: Named<'_>) -> Range<usize> {
        let text = name.text();
        let start = self.named.partition_point(|named| (named.text(), *named) < (text, name));
        match name {
            Named::Exact(_) => start..start.saturating_add(1),
            Named::Prefix(prefix) => {
                let first = self.named.partition_point(|named| named.text() < prefix);
                let under = self.named.get(first..).unwrap_or_default();
                first..first.saturating_add(under.partition_point(|named| named.text().starts_with(prefix)))
            }
        }
    }

    pub(super) fn class(&self, place: usize) -> Option<Class<'d>> {
        let rest = || self.rest.get(place.checked_sub(self.named.len())?).copied();
        self.named.get(place).map(|name| Class::Named(*name)).or_else(rest)
    }

    /// The one name of a class that has no other.
    pub(super) fn exact(&self, place: usize) -> Option<&'d str> {
        match self.named.get(place)? {
            Named::Exact(name) => Some(name),
            Named::Prefix(_) => None,
        }
    }
}
