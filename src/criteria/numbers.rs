//! Decimals out of JSON numbers and back, without losing anything on the way.

use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Number, Value};

/// Which numbers a field takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    least: Option<i64>,
    exclusive: bool,
    most: Option<i64>,
}

/// The bounds of a percentage.
pub(super) const PERCENT: Bounds = Bounds::between(0, 100);

impl Bounds {
    pub(super) const ANY: Self = Self { least: None, exclusive: false, most: None };

    pub(super) const fn at_least(least: i64) -> Self {
        Self { least: Some(least), ..Self::ANY }
    }

    pub(super) const fn between(least: i64, most: i64) -> Self {
        Self { most: Some(most), ..Self::at_least(least) }
    }

    /// More than `least`, not `least` itself.
    pub(super) const fn above(least: i64, most: i64) -> Self {
        Self { exclusive: true, ..Self::between(least, most) }
    }

    pub(super) fn contains(self, number: Decimal) -> bool {
        self.least.map(Decimal::from).is_none_or(|least| number > least || (number == least && !self.exclusive))
            && self.most.is_none_or(|most| number <= Decimal::from(most))
    }

    pub(super) fn detail(self) -> String {
        let from = if self.exclusive { "above" } else { "at least" };
        match (self.least, self.most) {
            (Some(least), Some(most)) => {
                format!("must be a number, {from} {least} and at most {most}")
            }
            (Some(least), None) => format!("must be a number, {from} {least}"),
            (None, Some(most)) => format!("must be a number, at most {most}"),
            (None, None) => "must be a number".to_owned(),
        }
    }
}

/// The decimal that a JSON number's shortest text says, if a decimal can hold it.
pub(super) fn exact(number: &Number) -> Option<Decimal> {
    decimal(number, Decimal::from_str_exact)
}

/// Like [`exact`], but rounded to what a decimal can hold; nothing when it is too large.
pub(super) fn rounded(number: &Number) -> Option<Decimal> {
    decimal(number, Decimal::from_str)
}

fn decimal(number: &Number, read: fn(&str) -> Result<Decimal, rust_decimal::Error>) -> Option<Decimal> {
    if let Some(integer) = number.as_i64() {
        return Some(Decimal::from(integer));
    }
    if let Some(integer) = number.as_u64() {
        return Some(Decimal::from(integer));
    }
    // The text of an f64 has no exponent and is the shortest that gives the same f64 back.
    let float = number.as_f64().filter(|float| float.is_finite())?;
    let decimal = read(&float.to_string()).ok()?;
    // Normalised, so that -0 is 0 and 1.50 is 1.5.
    Some(decimal.normalize())
}

/// A decimal as a JSON number; one that came from JSON becomes the number it was.
pub fn to_json(decimal: Decimal) -> Value {
    let decimal = decimal.normalize();
    match decimal.to_i64().filter(|_| decimal.is_integer()) {
        Some(integer) => Value::from(integer),
        // Through its text: that is rounded correctly, which arithmetic on halves would not be.
        None => decimal.to_string().parse::<f64>().map_or(Value::Null, Value::from),
    }
}

/// A decimal that is a number on the wire, and nothing else: no text that looks like one. For `serde(with)`.
pub mod number {
    use rust_decimal::Decimal;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer};
    use serde_json::Number;

    pub use rust_decimal::serde::float::serialize;

    /// # Errors
    /// When it is no number, or too large.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
        let number = Number::deserialize(from)?;
        super::rounded(&number).ok_or_else(|| D::Error::custom("the number is too large"))
    }
}

/// The same where it may be left out, or null.
pub mod number_option {
    use rust_decimal::Decimal;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer};
    use serde_json::Number;

    pub use rust_decimal::serde::float_option::serialize;

    /// # Errors
    /// When it is no number, or too large.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Decimal>, D::Error> {
        let Some(number) = Option::<Number>::deserialize(from)? else { return Ok(None) };
        super::rounded(&number).map(Some).ok_or_else(|| D::Error::custom("the number is too large"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn number(value: &Value) -> Option<Decimal> {
        value.as_number().and_then(exact)
    }

    #[test]
    fn a_number_is_the_decimal_that_its_text_says() {
        for (value, text) in [
            (json!(0.1), "0.1"),
            (json!(2.5016), "2.5016"),
            (json!(60.0), "60"),
            (json!(-0.0), "0"),
            (json!(1e-7), "0.0000001"),
            (json!(6.022e23), "602200000000000000000000"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(i64::MIN), "-9223372036854775808"),
        ] {
            assert_eq!(number(&value).unwrap().to_string(), text, "{value}");
        }
    }

    #[test]
    fn a_number_beyond_a_decimal_is_refused_not_rounded() {
        for value in [json!(1e30), json!(-1e300), json!(f64::MAX), json!(f64::MIN_POSITIVE), json!(6.626_070_15e-34)] {
            assert_eq!(number(&value), None, "{value}");
        }
    }

    #[test]
    fn a_measured_number_is_rounded_but_never_too_large() {
        assert_eq!(json!(1e-300).as_number().and_then(rounded), Some(Decimal::ZERO));
        assert_eq!(json!(1e300).as_number().and_then(rounded), None);
    }

    #[test]
    fn a_number_comes_back_as_it_was() {
        for value in [json!(2), json!(0.5), json!(-0.333), json!(12.75), json!(0)] {
            assert_eq!(to_json(number(&value).unwrap()), value);
        }
    }
}
