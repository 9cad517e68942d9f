//! Routes: `POST /v1/refunds/{ledger}` stands for one tool.
//!
//! A literal segment beats a parameter, from the left. Two routes of one shape do not compile, nor do literals that
//! differ only in letter case; a path that is a route's but for letter case is refused, since many backends do not
//! look at it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use thiserror::Error;

use super::path::{self, NormalPath, PATH_SEGMENTS_MAX, PathRefused};
use super::template::Template;
use crate::fold::folded;

/// The most routes of one backend.
pub const ROUTES_MAX: usize = 10_000;
/// The longest name of a path parameter, in bytes.
const PARAMETER_NAME_BYTES_MAX: usize = 64;

/// A route as it is written.
#[derive(Clone, Copy, Debug)]
pub struct RouteSource<'a> {
    /// Method and path, such as `POST /v1/refunds/{ledger}`. A parameter takes one whole segment.
    pub pattern: &'a str,
    /// The tool that it stands for.
    pub tool: &'a str,
    /// The resource, with path parameters in braces, such as `{ledger}`.
    pub resource: Option<&'a str>,
}

/// What is wrong with a route.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("route `{route}`: {fault}")]
pub struct RouteError {
    /// The route as it is written.
    pub route: String,
    /// Its place in the list that was given, from zero.
    pub position: usize,
    /// What is wrong.
    pub fault: RouteFault,
}

/// What can be wrong with a route.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteFault {
    /// A literal segment differs from another route's only in letter case.
    #[error("a segment differs from another route's only in letter case")]
    CaseVariant,
    /// The method is not a word in capitals.
    #[error("the method must be a word in capitals")]
    Method,
    /// A path parameter's name is empty, too long, or has something else in it than letters, digits, `_`, `-`.
    #[error("a parameter's name must be of letters, digits, `_` and `-`")]
    Parameter,
    /// A path parameter twice.
    #[error("a parameter occurs twice")]
    ParameterTwice,
    /// A segment mixes a parameter with other text.
    #[error("a parameter must be a whole segment, from slash to slash")]
    PartOfSegment,
    /// The path is none that would be accepted.
    #[error("the path is refused: {0}")]
    Path(#[from] PathRefused),
    /// The resource names no path parameter of the route, or is empty.
    #[error("the resource must be text with the route's parameters in braces")]
    Resource,
    /// An earlier route, this one, has the same method and shape.
    #[error("`{0}` has the same method and shape")]
    SameShape(Box<str>),
    /// It is not a method and a path with a space between.
    #[error("a route is a method, a space and a path")]
    Shape,
    /// The tool's name is empty.
    #[error("the tool has no name")]
    Tool,
    /// More than [`ROUTES_MAX`] routes.
    #[error("there are more than {ROUTES_MAX} routes")]
    TooMany,
}

/// The routes of one backend.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    count: usize,
    methods: BTreeMap<String, Node>,
}

/// The route that a path fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched<'r, 'p> {
    /// The tool that it stands for.
    pub tool: &'r str,
    /// The resource, if the route names one.
    pub resource: Option<String>,
    /// The path parameters in their order: names, and decoded values.
    pub parameters: Vec<(&'r str, &'p str)>,
}

/// What may follow after some segments.
#[derive(Clone, Debug, Default)]
struct Node {
    /// By the segment, folded.
    literals: BTreeMap<String, (String, Self)>,
    parameter: Option<Box<Self>>,
    route: Option<Route>,
}

#[derive(Clone, Debug)]
struct Route {
    /// As it is written.
    pattern: Box<str>,
    tool: String,
    resource: Option<Template>,
    parameters: Vec<String>,
    slash_at_end: bool,
}

/// Where a search for a path has come.
struct Search<'p> {
    values: Vec<&'p str>,
    case_differs: bool,
}

impl Routes {
    /// Compiles the routes of one backend.
    ///
    /// # Errors
    /// Everything that is wrong, route by route.
    pub fn compile(sources: &[RouteSource<'_>]) -> Result<Self, Vec<RouteError>> {
        let mut routes = Self::default();
        let errors = routes.extend(sources);
        if errors.is_empty() { Ok(routes) } else { Err(errors) }
    }

    /// Adds the routes of a second source, which compile on their own. One whose method and shape a route has already
    /// is left out: gives the places of those in the list.
    ///
    /// # Errors
    /// Everything else that is wrong, route by route.
    pub fn fill(&mut self, sources: &[RouteSource<'_>]) -> Result<Vec<usize>, Vec<RouteError>> {
        let errors = self.extend(sources);
        let is_left_out = |error: &RouteError| matches!(error.fault, RouteFault::SameShape(_));
        if errors.iter().all(is_left_out) {
            return Ok(errors.into_iter().map(|error| error.position).collect());
        }
        Err(errors.into_iter().filter(|error| !is_left_out(error)).collect())
    }

    fn extend(&mut self, sources: &[RouteSource<'_>]) -> Vec<RouteError> {
        let mut errors = Vec::new();
        for (position, source) in sources.iter().enumerate() {
            if let Err(fault) = self.add(source) {
                let is_last = fault == RouteFault::TooMany;
                errors.push(RouteError { route: source.pattern.to_owned(), position, fault });
                if is_last {
                    break;
                }
            }
        }
        errors
    }

    /// The route that the path fits; `None` if it fits none.
    ///
    /// # Errors
    /// A lenient backend would take the path for another: letter case, or a slash at the end.
    pub fn find<'r, 'p>(
        &'r self,
        method: &str,
        path: &'p NormalPath,
    ) -> Result<Option<Matched<'r, 'p>>, PathRefused> {
        let mut search = Search { values: Vec::new(), case_differs: false };
        let found = self.methods.get(method).and_then(|node| node.find(path.segments(), &mut search));
        let slash_at_end = found.is_some_and(|route| route.slash_at_end);
        if search.case_differs {
            return Err(PathRefused::CaseVariant);
        }
        if slash_at_end != path.has_slash_at_end() {
            return Err(PathRefused::TrailingSlash);
        }
        Ok(found.map(|route| {
            let names = route.parameters.iter().map(String::as_str);
            let parameters: Vec<_> = names.zip(search.values).collect();
            let resource = route.resource.as_ref().map(|template| template.fill(&parameters));
            Matched { tool: &route.tool, resource, parameters }
        }))
    }

    fn add(&mut self, source: &RouteSource<'_>) -> Result<(), RouteFault> {
        if self.count >= ROUTES_MAX {
            return Err(RouteFault::TooMany);
        }
        let (method, path) = source.pattern.split_once(' ').ok_or(RouteFault::Shape)?;
        if !super::is_method(method) {
            return Err(RouteFault::Method);
        }
        if source.tool.is_empty() {
            return Err(RouteFault::Tool);
        }
        let (segments, slash_at_end) = pattern(path)?;
        let parameters: Vec<String> = segments.iter().filter_map(Segment::parameter).collect();
        let resource = source.resource.map(|resource| Template::parse(resource, &parameters)).transpose()?;
        let mut node = self.methods.entry(method.to_owned()).or_default();
        for segment in segments {
            node = node.child(segment)?;
        }
        if let Some(earlier) = &node.route {
            return Err(RouteFault::SameShape(earlier.pattern.clone()));
        }
        let (pattern, tool) = (source.pattern.into(), source.tool.to_owned());
        node.route = Some(Route { pattern, tool, resource, parameters, slash_at_end });
        self.count = self.count.saturating_add(1);
        Ok(())
    }
}

impl Node {
    fn child(&mut self, segment: Segment) -> Result<&mut Self, RouteFault> {
        match segment {
            Segment::Parameter(_) => Ok(self.parameter.get_or_insert_default()),
            Segment::Literal(literal) => {
                let entry = self
                    .literals
                    .entry(folded(&literal))
                    .or_insert_with(|| (literal.clone(), Self::default()));
                if entry.0 == literal { Ok(&mut entry.1) } else { Err(RouteFault::CaseVariant) }
            }
        }
    }

    /// Each node is visited once at most: there is one way to it.
    fn find<'r, 'p>(&'r self, segments: &'p [String], search: &mut Search<'p>) -> Option<&'r Route> {
        let Some((segment, rest)) = segments.split_first() else { return self.route.as_ref() };
        if let Some((literal, node)) = self.literals.get(&folded(segment))
            && let Some(route) = node.find(rest, search)
        {
            search.case_differs |= literal != segment;
            return Some(route);
        }
        let node = self.parameter.as_ref()?;
        search.values.push(segment);
        let found = node.find(rest, search);
        if found.is_none() {
            search.values.pop();
        }
        found
    }
}

/// One segment of a route.
enum Segment {
    Literal(String),
    Parameter(String),
}

impl Segment {
    fn parse(raw: &str) -> Result<Self, RouteFault> {
        let Some(name) = raw.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            let mixed = raw.contains(['{', '}']);
            return if mixed {
                Err(RouteFault::PartOfSegment)
            } else {
                Ok(Self::Literal(path::segment(raw)?))
            };
        };
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if name.is_empty() || name.len() > PARAMETER_NAME_BYTES_MAX || !name.bytes().all(good) {
            return Err(RouteFault::Parameter);
        }
        Ok(Self::Parameter(name.to_owned()))
    }

    fn parameter(&self) -> Option<String> {
        match self {
            Self::Literal(_) => None,
            Self::Parameter(name) => Some(name.clone()),
        }
    }
}

/// The segments of a route's path, and whether a slash follows them.
fn pattern(path: &str) -> Result<(Vec<Segment>, bool), RouteFault> {
    let inner = path.strip_prefix('/').ok_or(PathRefused::NotAbsolute)?;
    if inner.is_empty() {
        return Ok((Vec::new(), false));
    }
    let without_end = inner.strip_suffix('/');
    let segments =
        without_end.unwrap_or(inner).split('/').map(Segment::parse).collect::<Result<Vec<_>, _>>()?;
    if segments.len() > PATH_SEGMENTS_MAX {
        return Err(PathRefused::TooLong.into());
    }
    let mut names: Vec<String> =
        segments.iter().filter_map(Segment::parameter).map(|name| folded(&name)).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        return Err(RouteFault::ParameterTwice);
    }
    Ok((segments, without_end.is_some()))
}
