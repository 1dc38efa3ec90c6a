//! Just enough of HTTP/1.1: request heads in, dates and query strings understood.

use std::io::{self, BufRead};
use std::ops::Range;

use percent_encoding::percent_decode_str;

/// A client that sends more than this before the empty line is none of ours.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// What a client asks for. Its body, if any, is not read: nothing that is asked for here has one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path, decoded, without its leading slash: `bucket/key`.
    pub(crate) target: String,
    /// Name and value, decoded, in order.
    pub(crate) query: Vec<(String, String)>,
    /// The `Range` header's bytes; an open end is `u64::MAX`.
    pub(crate) range: Option<Range<u64>>,
    /// Whether the client closes the connection after the answer.
    pub(crate) closes: bool,
}

impl Request {
    /// The value of a query parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads one request; `None` where the client has left.
    pub(crate) fn read(connection: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        let mut head_bytes = connection.read_line(&mut line)?;
        if head_bytes == 0 {
            return Ok(None);
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no request line"));
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: method.to_owned(),
            target: decoded(path.trim_start_matches('/')),
            query: query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect(),
            range: None,
            closes: false,
        };
        loop {
            line.clear();
            head_bytes += connection.read_line(&mut line)?;
            if head_bytes > MAX_HEAD_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "request head too long"));
            }
            let Some((name, value)) = line.split_once(':') else { return Ok(Some(request)) };
            if name.eq_ignore_ascii_case("range") {
                request.range = byte_range(value.trim());
            } else if name.eq_ignore_ascii_case("connection") {
                request.closes = value.trim().eq_ignore_ascii_case("close");
            }
        }
    }
}

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (decoded(name), decoded(&value.replace('+', "%20")))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// `bytes=first-last` or `bytes=first-`; the other forms read as the whole object, as HTTP allows.
fn byte_range(value: &str) -> Option<Range<u64>> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let first = first.parse().ok()?;
    let end = if last.is_empty() { u64::MAX } else { last.parse::<u64>().ok()?.checked_add(1)? };
    (first < end).then_some(first..end)
}

/// Year, month and day of a day counted from 1970-01-01, by the civil calendar in 400-year eras.
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + (month <= 2) as u64, month, day)
}

/// `Wed, 19 Nov 2025 10:00:00 GMT`, as HTTP headers want it.
pub(crate) fn http_date(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (weekday, month) = (DAYS[(days % 7) as usize], MONTHS[(month - 1) as usize]);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// `2025-11-19T10:00:00.000Z`, as listings want it.
pub(crate) fn iso_date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_the_calendar_says() {
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(951_782_399), "Mon, 28 Feb 2000 23:59:59 GMT");
        assert_eq!(iso_date(951_782_400), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso_date(1_763_546_400), "2025-11-19T10:00:00.000Z");
    }

    #[test]
    fn a_request_is_taken_apart() {
        let head = b"GET /b/a%20b/c?list-type=2&prefix=x%2Fy HTTP/1.1\r\nHost: h\r\n\
                     Range: bytes=5-9\r\nConnection: close\r\n\r\nnext";
        let request = Request::read(&mut &head[..]).unwrap().unwrap();
        assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "b/a b/c"));
        assert_eq!(request.parameter("prefix"), Some("x/y"));
        assert_eq!(request.range, Some(5..10));
        assert!(request.closes);
        assert_eq!(Request::read(&mut &b""[..]).unwrap(), None);
        assert!(Request::read(&mut &b"\r\n"[..]).is_err());
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(byte_range("bytes=0-0"), Some(0..1));
        assert_eq!(byte_range("bytes=7-"), Some(7..u64::MAX));
        assert_eq!(byte_range("bytes=-7"), None);
        assert_eq!(byte_range("bytes=9-3"), None);
    }
}
