//! Servers that are careless with paths, and the route that each of them takes. They share nothing with the router
//! under test.

/// What a server does to a path before it looks for a route, beside splitting it at slashes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    /// How often escapes are resolved in the whole path, before it is split.
    decodes: u8,
    slashes: Slashes,
    dots: Dots,
    cuts_semicolons: bool,
    case: Case,
}

#[derive(Clone, Copy, Debug)]
enum Slashes {
    Kept,
    /// Empty segments go, and so does a slash at the end.
    Collapsed,
    /// The same, and a backslash is one.
    Either,
}

#[derive(Clone, Copy, Debug)]
enum Dots {
    Kept,
    /// `.` and `..` are followed before escapes are resolved.
    Early,
    /// The same, after.
    Late,
}

#[derive(Clone, Copy, Debug)]
enum Case {
    Exact,
    Ascii,
    Lower,
    Upper,
}

/// A route as a server knows it: method aside, `{}` for a parameter.
pub(crate) type Route = (&'static str, &'static [&'static str]);

/// Every combination.
pub(crate) fn all() -> impl Iterator<Item = Server> {
    let slashes = [Slashes::Kept, Slashes::Collapsed, Slashes::Either];
    let dots = [Dots::Kept, Dots::Early, Dots::Late];
    let cases = [Case::Exact, Case::Ascii, Case::Lower, Case::Upper];
    (1..=3).flat_map(move |decodes| {
        slashes.into_iter().flat_map(move |slashes| {
            dots.into_iter().flat_map(move |dots| {
                cases.into_iter().flat_map(move |case| {
                    [false, true].map(|cuts_semicolons| Server {
                        decodes,
                        slashes,
                        dots,
                        cuts_semicolons,
                        case,
                    })
                })
            })
        })
    })
}

impl Server {
    /// The route that the path fits, with the values of its parameters. Literals beat parameters, from the left.
    pub(crate) fn find(self, routes: &[Route], path: &str) -> Option<(&'static str, Vec<String>)> {
        let segments = self.segments(path);
        let keeps = matches!(self.slashes, Slashes::Kept);
        let parts =
            |pattern: &'static [&'static str]| pattern.iter().filter(move |part| keeps || !part.is_empty());
        let fits =
            |part: &str, segment: &str| part == "{}" || self.case.folded(part) == self.case.folded(segment);
        let mut fitting = routes.to_vec();
        fitting.retain(|(_, pattern)| {
            parts(pattern).count() == segments.len()
                && parts(pattern).zip(&segments).all(|(part, segment)| fits(part, segment))
        });
        fitting.sort_by_key(|(_, pattern)| pattern.iter().map(|part| *part == "{}").collect::<Vec<_>>());
        let (tool, pattern) = fitting.first()?;
        let values = parts(pattern).zip(&segments).filter(|(part, _)| **part == "{}");
        Some((tool, values.map(|(_, segment)| segment.clone()).collect()))
    }

    fn segments(self, path: &str) -> Vec<String> {
        let early = matches!(self.dots, Dots::Early);
        let mut path = if early { join(&followed(&split(path, Slashes::Kept))) } else { path.to_owned() };
        for _ in 0..self.decodes {
            path = decoded(&path);
        }
        let mut segments = split(&path, self.slashes);
        if self.cuts_semicolons {
            segments.iter_mut().for_each(|segment| *segment = segment.split(';').next().unwrap().to_owned());
        }
        match self.dots {
            Dots::Kept | Dots::Early => segments,
            Dots::Late => followed(&segments),
        }
    }
}

impl Case {
    fn folded(self, segment: &str) -> String {
        let one = |mut many: Box<dyn Iterator<Item = char>>, letter| match (many.next(), many.next()) {
            (Some(one), None) => one,
            _ => letter,
        };
        match self {
            Self::Exact => segment.to_owned(),
            Self::Ascii => segment.to_ascii_lowercase(),
            Self::Lower => {
                segment.chars().map(|letter| one(Box::new(letter.to_lowercase()), letter)).collect()
            }
            Self::Upper => {
                segment.chars().map(|letter| one(Box::new(letter.to_uppercase()), letter)).collect()
            }
        }
    }
}

fn split(path: &str, slashes: Slashes) -> Vec<String> {
    let separators: &[char] = if matches!(slashes, Slashes::Either) { &['/', '\\'] } else { &['/'] };
    let mut segments: Vec<String> = path.split(separators).skip(1).map(str::to_owned).collect();
    if matches!(slashes, Slashes::Kept) {
        // The root has no segments; a slash at the end is a segment of its own.
        if segments == [""] {
            segments.clear();
        }
    } else {
        segments.retain(|segment| !segment.is_empty());
    }
    segments
}

fn join(segments: &[String]) -> String {
    format!("/{}", segments.join("/"))
}

fn followed(segments: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    for segment in segments {
        match segment.trim() {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment.clone()),
        }
    }
    kept
}

/// Escapes resolved where they can be, everything else left.
pub(crate) fn decoded(path: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let escaped = digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
