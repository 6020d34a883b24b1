//! Answers to points, points to grades, and whether a grade passes: pure, the only place where anything is scored.
//!
//! An item with a `scoring` rule can give a part of its points: `map` sums the values of the chosen
//! options and clamps the sum, `adjacentPairs` counts neighbours in the right order. Every other item
//! is right or wrong. A `map` may take points away (`lower` below 0); a whole is never below 0.
//!
//! Sums and products of numbers with up to 9 decimal places are exact. Rules compare unrounded values;
//! only [`grade`], which is what is stored and shown, has two places.

mod grades;
mod items;
mod passing;

pub use grades::{Share, aggregate, grade, kept, late_percent, of_rubric, spread};
pub use items::{Score, score, score_item};
pub use passing::{Facts, passes};
