//! Tables as CSV (RFC 4180), safe to open in a spreadsheet.

use chrono::NaiveDate;
use uuid::Uuid;

/// A value of a table. What is held back, and what there is none of, is empty.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Text(String),
    /// As it stands: numbers, times, truth
    Plain(String),
    Empty,
}

macro_rules! plain {
    ($($type:ty),+) => {$(
        impl From<$type> for Cell {
            fn from(value: $type) -> Self {
                Self::Plain(value.to_string())
            }
        }
    )+};
}
plain!(i64, i32, f64, usize, bool, Uuid, NaiveDate);

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// A table with the names of its columns.
#[derive(Debug, Clone)]
pub struct Table {
    pub columns: &'static [&'static str],
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A header row, then the rows; lines end with CRLF.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut out = self.columns.join(",");
        out.push_str("\r\n");
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(written).collect();
            out.push_str(&cells.join(","));
            out.push_str("\r\n");
        }
        out
    }
}

fn written(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Plain(value) => value.clone(),
        Cell::Text(text) => {
            // What authors write must not become a formula of whoever opens the file.
            let is_formula = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
                || text.starts_with(['\t', '\r', '\n']);
            let text = if is_formula { format!("'{text}") } else { text.clone() };
            if text.contains([',', '"', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ') {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_and_is_never_a_formula() {
        let table = Table {
            columns: &["title", "learners", "share"],
            rows: vec![
                vec!["Loops, and \"more\"".into(), 1_000_i64.into(), Cell::Empty],
                vec!["=HYPERLINK(\"http://example.org\")".into(), None::<i64>.into(), 0.5_f64.into()],
                vec!["two\nlines".into(), (-5_i64).into(), true.into()],
                vec![" @SUM(A1)".into(), 0_i64.into(), 1.0_f64.into()],
            ],
        };
        assert_eq!(
            table.to_csv(),
            "title,learners,share\r\n\"Loops, and \"\"more\"\"\",1000,\r\n\"'=HYPERLINK(\"\"http://example.org\"\")\",,0.5\r\n\
             \"two\nlines\",-5,true\r\n' @SUM(A1),0,1\r\n"
        );
    }
}
