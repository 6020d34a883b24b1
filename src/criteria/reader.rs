//! Reads JSON strictly, piece by piece; every mismatch is noted with its pointer.
//!
//! A reading gives `None` exactly when it has noted a fault, so a caller may go on and collect the
//! faults of the other fields before it gives up.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Number, Value};
use uuid::Uuid;

use super::numbers::{Bounds, PERCENT, exact, rounded};
use super::violation::{Findings, child};

/// One value of a document, and where it is.
#[derive(Debug, Clone)]
pub(super) struct Node<'v> {
    pub(super) value: &'v Value,
    pub(super) pointer: String,
}

/// The fields of an object.
#[derive(Debug)]
pub(super) struct Fields<'v> {
    map: &'v Map<String, Value>,
    pointer: String,
}

impl<'v> Node<'v> {
    /// The whole document.
    pub(super) fn root(value: &'v Value) -> Self {
        Self { value, pointer: String::new() }
    }

    pub(super) fn fields(&self, found: &mut Findings) -> Option<Fields<'v>> {
        let Value::Object(map) = self.value else {
            return self.fault("must be an object", found);
        };
        Some(Fields { map, pointer: self.pointer.clone() })
    }

    pub(super) fn boolean(&self, found: &mut Findings) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(*value),
            _ => self.fault("must be true or false", found),
        }
    }

    pub(super) fn str(&self, found: &mut Findings) -> Option<&'v str> {
        match self.value {
            Value::String(text) => Some(text),
            _ => self.fault("must be a string", found),
        }
    }

    pub(super) fn string(&self, found: &mut Findings) -> Option<String> {
        self.str(found).map(str::to_owned)
    }

    /// A string in which something can be read.
    pub(super) fn visible(&self, found: &mut Findings) -> Option<String> {
        let text = self.str(found)?;
        if text.trim().is_empty() {
            return self.fault("must not be blank", found);
        }
        Some(text.to_owned())
    }

    /// An id that an author chose.
    pub(super) fn key(&self, found: &mut Findings) -> Option<String> {
        let text = self.str(found)?;
        if !is_key(text) {
            return self.fault(KEY_DETAIL, found);
        }
        Some(text.to_owned())
    }

    /// A UUID, only in its usual form: the same id is then always the same text.
    pub(super) fn uuid(&self, found: &mut Findings) -> Option<Uuid> {
        let text = self.str(found)?;
        match Uuid::try_parse(text) {
            Ok(id) if id.to_string() == text => Some(id),
            _ => self.fault("must be a UUID in lower case, with hyphens", found),
        }
    }

    /// A moment, RFC 3339.
    pub(super) fn time(&self, found: &mut Findings) -> Option<DateTime<Utc>> {
        let text = self.str(found)?;
        match DateTime::parse_from_rfc3339(text) {
            // The parser takes a space for the T, further offsets than there are, and a year 0, which other readers of such
            // a document, the database among them, do not.
            Ok(time) if !text.contains(' ') && time.year() > 0 && time.offset().local_minus_utc().abs() < 16 * 3600 => {
                Some(time.to_utc())
            }
            _ => self.fault("must be a time such as 2026-12-01T08:00:00Z", found),
        }
    }

    /// One of some names.
    pub(super) fn choice<T: Copy>(&self, all: &[T], name: fn(T) -> &'static str, found: &mut Findings) -> Option<T> {
        let chosen = self.value.as_str().and_then(|text| all.iter().copied().find(|value| name(*value) == text));
        if chosen.is_none() {
            let names: Vec<_> = all.iter().copied().map(name).collect();
            found.add(self.pointer.as_str(), format!("must be one of: {}", names.join(", ")));
        }
        chosen
    }

    pub(super) fn integer(&self, range: RangeInclusive<u32>, found: &mut Findings) -> Option<u32> {
        let integer = self
            .value
            .as_number()
            .and_then(exact)
            .filter(Decimal::is_integer)
            .and_then(|number| number.to_u32())
            .filter(|number| range.contains(number));
        if integer.is_none() {
            let (least, most) = range.into_inner();
            found.add(
                self.pointer.as_str(),
                if least == most {
                    format!("must be the number {least}")
                } else {
                    format!("must be a whole number, at least {least} and at most {most}")
                },
            );
        }
        integer
    }

    /// A number that a decimal holds exactly.
    pub(super) fn number(&self, bounds: Bounds, found: &mut Findings) -> Option<Decimal> {
        self.within(bounds, exact, found)
    }

    /// A number that was measured: one with too many places is rounded, not refused.
    pub(super) fn measure(&self, bounds: Bounds, found: &mut Findings) -> Option<Decimal> {
        self.within(bounds, rounded, found)
    }

    fn within(&self, bounds: Bounds, read: fn(&Number) -> Option<Decimal>, found: &mut Findings) -> Option<Decimal> {
        let Value::Number(number) = self.value else {
            return self.fault(bounds.detail(), found);
        };
        match read(number) {
            Some(number) if bounds.contains(number) => Some(number),
            Some(_) => self.fault(bounds.detail(), found),
            None => self.fault("is too large, or has more than 28 decimal places", found),
        }
    }

    /// A list; `each` reads an element.
    pub(super) fn list<T>(
        &self,
        length: RangeInclusive<usize>,
        found: &mut Findings,
        mut each: impl FnMut(&Node<'v>, &mut Findings) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::Array(elements) = self.value else {
            return self.fault("must be a list", found);
        };
        let read: Option<Vec<T>> = if elements.len() > *length.end() {
            // Reading a list that is far too long would only drown the fault.
            None
        } else {
            // Not `collect` alone: it would stop at the first fault.
            let read: Vec<_> = self.elements().map(|node| each(&node, found)).collect();
            read.into_iter().collect()
        };
        if length.contains(&elements.len()) {
            return read;
        }
        let (least, most) = length.into_inner();
        self.fault(
            if most == usize::MAX {
                format!("must have at least {least} entries")
            } else {
                format!("must have at least {least} and at most {most} entries")
            },
            found,
        )
    }

    /// The elements of a list; none when it is not one.
    pub(super) fn elements(&self) -> impl Iterator<Item = Node<'v>> + use<'v> {
        let pointer = self.pointer.clone();
        let elements = self.value.as_array().map_or(&[][..], Vec::as_slice);
        elements.iter().enumerate().map(move |(index, value)| Node { value, pointer: format!("{pointer}/{index}") })
    }

    /// Notes the elements that repeat an earlier one, comparing their field `name`, or themselves.
    pub(super) fn distinct(&self, name: Option<&str>, found: &mut Findings) {
        found.add_repeated(self.elements().filter_map(|node| match name {
            Some(name) => Some((child(&node.pointer, name), node.value.get(name)?.as_str()?)),
            None => Some((node.pointer, node.value.as_str()?)),
        }));
    }

    /// Notes a fault of this value.
    pub(super) fn fault<T>(&self, detail: impl Into<String>, found: &mut Findings) -> Option<T> {
        found.add(self.pointer.as_str(), detail);
        None
    }
}

impl<'v> Fields<'v> {
    /// Notes every field that is in neither list.
    pub(super) fn only(&self, common: &[&str], own: &[&str], found: &mut Findings) {
        for name in self.map.keys() {
            if !common.contains(&name.as_str()) && !own.contains(&name.as_str()) {
                let known = [common, own].concat().join(", ");
                found.add(child(&self.pointer, name), format!("is not a field here; the fields are: {known}"));
            }
        }
    }

    pub(super) fn optional(&self, name: &str) -> Option<Node<'v>> {
        let value = self.map.get(name)?;
        Some(Node { value, pointer: child(&self.pointer, name) })
    }

    pub(super) fn required(&self, name: &str, found: &mut Findings) -> Option<Node<'v>> {
        let node = self.optional(name);
        if node.is_none() {
            found.add(child(&self.pointer, name), "is missing");
        }
        node
    }

    /// Something that is false when left out.
    pub(super) fn flag(&self, name: &str, found: &mut Findings) -> bool {
        self.optional(name).and_then(|node| node.boolean(found)).unwrap_or_default()
    }

    /// A minimum or maximum that may be left out.
    pub(super) fn count(&self, name: &str, most: u32, found: &mut Findings) -> Option<u32> {
        self.optional(name)?.integer(1..=most, found)
    }

    pub(super) fn percent(&self, name: &str, found: &mut Findings) -> Option<Decimal> {
        self.required(name, found)?.number(PERCENT, found)
    }

    /// Every field, for objects whose names are the author's.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'v str, Node<'v>)> {
        self.map.iter().map(|(name, value)| {
            let pointer = child(&self.pointer, name);
            (name.as_str(), Node { value, pointer })
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

pub(super) const KEY_DETAIL: &str = "must be 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit";

pub(super) fn is_key(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 64
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|byte| plain(byte) || byte == b'_' || byte == b'-')
}
