//! Properties of the scoring of items.
