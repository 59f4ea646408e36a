//! Finds the endpoint of a request: exact paths, no percent-decoding, no trailing slashes.

use actix_web::http::Method;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};

use super::endpoint::{Body, Endpoint};
use super::fallback::Miss;
use super::media;

/// The endpoints, by number of path segments.
#[derive(Debug)]
pub(super) struct Router {
    by_length: Vec<Vec<Row>>,
    exact: bool,
}

#[derive(Debug)]
struct Row {
    /// Place of the endpoint in the table.
    index: usize,
    endpoint: &'static Endpoint,
    segments: Vec<Segment>,
}

#[derive(Debug)]
enum Segment {
    Text(&'static str),
    Variable(&'static str),
}

/// An endpoint that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    /// Its place in the table.
    pub(super) index: usize,
    /// The endpoint.
    pub(super) endpoint: &'static Endpoint,
    /// Name and text of the variable in its path.
    pub(super) variable: Option<(&'static str, &'a str)>,
}

impl Router {
    /// A router over these endpoints; `exact`: without what is newer than 8.6.
    pub(super) fn new(endpoints: &'static [Endpoint], exact: bool) -> Self {
        let mut by_length: Vec<Vec<Row>> = Vec::new();
        let served = endpoints.iter().enumerate().filter(|(_, e)| !(exact && e.newer));
        for (index, endpoint) in served {
            let segments: Vec<Segment> = split(endpoint.path).map(segment).collect();
            if by_length.len() <= segments.len() {
                by_length.resize_with(segments.len() + 1, Vec::new);
            }
            if let Some(rows) = by_length.get_mut(segments.len()) {
                rows.push(Row { index, endpoint, segments });
            }
        }
        Self { by_length, exact }
    }

    fn matching<'r, 'p>(&'r self, path: &'p str) -> impl Iterator<Item = Found<'p>> + use<'r, 'p> {
        let rows = self.by_length.get(split(path).count()).map_or(&[][..], Vec::as_slice);
        rows.iter().filter_map(move |row| row.matches(path))
    }

    /// The methods that `path` exists with, sorted.
    pub(super) fn methods(&self, path: &str) -> Vec<Method> {
        let mut methods: Vec<Method> =
            self.matching(path).map(|found| found.endpoint.method.clone()).collect();
        methods.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        methods.dedup();
        methods
    }

    /// The endpoint for a request, when its body and the wanted answer are of the right kind too.
    pub(super) fn find<'p>(
        &self,
        method: &Method,
        path: &'p str,
        headers: &HeaderMap,
    ) -> Result<Found<'p>, Miss> {
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let Some(found) = self.matching(path).find(|found| found.endpoint.method == *wanted) else {
            let allowed = self.methods(path);
            return Err(if allowed.is_empty() { Miss::NotFound } else { Miss::Method { allowed } });
        };
        if let Some(takes) = found.endpoint.takes() {
            let optional = match found.endpoint.body {
                Body::Optional => true,
                Body::OptionalSince88 => !self.exact,
                _ => false,
            };
            let without = optional && !media::has_body(headers);
            if !without && !self.takes(found.endpoint, takes, headers) {
                return Err(Miss::MediaType { takes });
            }
        }
        let produced = found.endpoint.produces();
        if !media::accepts(headers, produced, self.exact) {
            return Err(Miss::NotAcceptable { produces: produced.join(", ") });
        }
        Ok(found)
    }
}

impl Router {
    /// Whether the body is of a type that the endpoint takes; mostly it is exactly `usual`.
    fn takes(&self, endpoint: &Endpoint, usual: &str, headers: &HeaderMap) -> bool {
        if headers.get(CONTENT_TYPE).is_some_and(|given| given.as_bytes() == usual.as_bytes()) {
            return true;
        }
        let given = media::content_type(headers);
        given.is_some_and(|given| endpoint.takes_type(&given, self.exact))
    }
}

fn split(path: &str) -> std::str::Split<'_, char> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn segment(text: &'static str) -> Segment {
    match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => Segment::Variable(name),
        None => Segment::Text(text),
    }
}

impl Row {
    fn matches<'p>(&self, path: &'p str) -> Option<Found<'p>> {
        let mut variable = None;
        for (expected, given) in self.segments.iter().zip(split(path)) {
            match expected {
                Segment::Text(text) if *text == given => {}
                Segment::Variable(name) if !given.is_empty() => variable = Some((*name, given)),
                _ => return None,
            }
        }
        Some(Found { index: self.index, endpoint: self.endpoint, variable })
    }
}

#[cfg(test)]
mod tests {
    use super::super::v2::ENDPOINTS;
    use super::*;

    fn find(method: Method, path: &str) -> Result<&'static str, Miss> {
        let mut headers = HeaderMap::new();
        headers.insert(
            actix_web::http::header::CONTENT_TYPE,
            actix_web::http::header::HeaderValue::from_static("application/json"),
        );
        Router::new(ENDPOINTS, false).find(&method, path, &headers).map(|found| found.endpoint.path)
    }

    #[test]
    fn a_path_belongs_to_the_endpoint_with_its_method() {
        assert_eq!(find(Method::POST, "/v2/jobs/activation"), Ok("/v2/jobs/activation"));
        assert_eq!(find(Method::PATCH, "/v2/jobs/activation"), Ok("/v2/jobs/{jobKey}"));
        let allowed = vec![Method::PATCH, Method::POST];
        assert_eq!(find(Method::DELETE, "/v2/jobs/activation"), Err(Miss::Method { allowed }));
        assert_eq!(find(Method::HEAD, "/v2/topology"), Ok("/v2/topology"));
    }

    #[test]
    fn paths_match_exactly() {
        for path in
            ["/", "/v2", "/v2/topology/", "//v2/topology", "/v2/%2e%2e/topology", "/V2/topology"]
        {
            assert_eq!(find(Method::GET, path), Err(Miss::NotFound), "{path}");
        }
        assert_eq!(find(Method::POST, "/v2/jobs//completion"), Err(Miss::NotFound));
    }
}
