//! Which of several representations a client would rather have (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header};

/// The client's favourite among the media types on offer. The first one where the client has no preference,
/// and where it takes none of them: an answer in another form serves better than none.
#[must_use]
pub fn favourite<'a, const N: usize>(headers: &HeaderMap, offers: [&'a str; N]) -> &'a str {
    let header: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok()).collect();
    let ranges: Vec<Range> = header.iter().flat_map(|accept| accept.split(',')).filter_map(Range::parse).collect();
    let wanted = |offer: &str| {
        // The most specific range decides about an offer, whatever the others say.
        let range = ranges.iter().filter_map(|range| Some((range.fits(offer)?, range.quality))).max();
        range.map_or((0, 0), |(specificity, quality)| (quality, specificity))
    };
    let mut best = ("", (0, 0));
    for (at, offer) in offers.into_iter().enumerate() {
        // Of two equally good ones, that which is named is meant rather than that which "anything" takes in.
        let rank = wanted(offer);
        if at == 0 || (rank > best.1 && rank.0 > 0) {
            best = (offer, rank);
        }
    }
    best.0
}

/// One element of `Accept`.
struct Range<'a> {
    name: &'a str,
    /// Thousandths
    quality: u16,
}

impl<'a> Range<'a> {
    /// None for what is no media range.
    fn parse(element: &'a str) -> Option<Self> {
        let mut parts = element.split(';').map(str::trim);
        let name = parts.next().filter(|name| name.contains('/'))?;
        let quality = parts.find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            key.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()))
        });
        Some(Self { name, quality: quality.unwrap_or(Some(1_000))? })
    }

    /// How specifically the range names a media type; none when it does not.
    fn fits(&self, offer: &str) -> Option<u8> {
        let family = self.name.strip_suffix("/*");
        match family {
            Some("*") => Some(1),
            Some(family) => offer.split_once('/').is_some_and(|(own, _)| own.eq_ignore_ascii_case(family)).then_some(2),
            None => self.name.eq_ignore_ascii_case(offer).then_some(3),
        }
    }
}

/// `0`, `0.5`, `1.000`: at most three digits, at most one.
fn thousandths(quality: &str) -> Option<u16> {
    let (whole, part) = quality.split_once('.').unwrap_or((quality, ""));
    let is_short = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let value = is_short.then(|| format!("{whole}{part:0<3}").parse().ok()).flatten()?;
    (whole.len() == 1 && value <= 1_000).then_some(value)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn picked(accept: &[&'static str]) -> &'static str {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, HeaderValue::from_static(value));
        }
        favourite(&headers, ["application/json", "image/svg+xml"])
    }

    #[test]
    fn the_client_decides_and_json_is_the_default() {
        for json in [
            "*/*",
            "",
            "application/json",
            "application/json, image/svg+xml",
            "image/svg+xml;q=0.5, application/json",
            "image/svg+xml;q=0.5, */*",
            "image/svg+xml;q=0, */*;q=0.1",
            "image/svg+xml;q=0",
            "text/html",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "image/png",
            "image/*;q=0.3, application/*;q=0.4",
            "image/svg+xml;q=1.5, application/json;q=0.1",
            "image/svg+xmlish",
            ";;,,/",
        ] {
            assert_eq!(picked(&[json]), "application/json", "{json}");
        }
        for svg in [
            "image/svg+xml",
            "IMAGE/SVG+XML; Q=0.2",
            "image/*",
            "image/svg+xml, */*",
            "image/svg+xml, application/json;q=0.9",
            "application/json;q=0.001, image/svg+xml;q=0.002",
            "application/json;q=0, */*",
            "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
            "image/svg+xml;charset=utf-8;q=0.7, */*;q=0.6",
        ] {
            assert_eq!(picked(&[svg]), "image/svg+xml", "{svg}");
        }
        let three = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            favourite(&headers, ["application/json", "text/csv", "image/svg+xml"])
        };
        assert_eq!(three("text/csv"), "text/csv");
        assert_eq!(three("text/csv;q=0.5, image/svg+xml"), "image/svg+xml");
        assert_eq!(three("text/*, */*;q=0.1"), "text/csv");
        assert_eq!(three("*/*"), "application/json");
        assert_eq!(picked(&[]), "application/json");
        assert_eq!(picked(&["application/json;q=0.5", "image/svg+xml"]), "image/svg+xml", "two headers are one list");
    }
}
