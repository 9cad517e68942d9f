//! A route's resource: a text with path parameters in braces, such as `ledger/{ledger}`.

use super::routes::RouteFault;

/// The template, parsed against the names of the route's path parameters.
#[derive(Clone, Debug)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    /// The path parameter at that place in the path's list.
    Parameter(usize),
}

impl Template {
    pub(super) fn parse(source: &str, parameters: &[String]) -> Result<Self, RouteFault> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(RouteFault::Resource)?;
            let place =
                parameters.iter().position(|parameter| parameter == name).ok_or(RouteFault::Resource)?;
            parts.extend([Part::literal(literal)?, Part::Parameter(place)]);
            rest = after;
        }
        parts.push(Part::literal(rest)?);
        if source.is_empty() { Err(RouteFault::Resource) } else { Ok(Self { parts }) }
    }

    pub(super) fn fill(&self, values: &[(&str, &str)]) -> String {
        let value = |part: &Part| match part {
            Part::Literal(literal) => literal.clone(),
            Part::Parameter(place) => {
                values.get(*place).map(|(_, value)| (*value).to_owned()).unwrap_or_default()
            }
        };
        self.parts.iter().map(value).collect()
    }
}

impl Part {
    fn literal(text: &str) -> Result<Self, RouteFault> {
        if text.contains('}') { Err(RouteFault::Resource) } else { Ok(Self::Literal(text.to_owned())) }
    }
}
