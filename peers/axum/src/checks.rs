//! Limits on input.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::errors::ApiError;

pub fn within<T>(name: &str, value: T, range: RangeInclusive<T>) -> Result<T, ApiError>
where
    T: PartialOrd + Display,
{
    if range.contains(&value) {
        return Ok(value);
    }
    let (lowest, highest) = range.into_inner();
    Err(ApiError::invalid(format!(
        "{name} must be from {lowest} to {highest}, not {value}"
    )))
}

/// Counts code points, as databases and other languages do.
pub fn text(name: &str, text: &str, highest: usize) -> Result<(), ApiError> {
    match text.chars().count() {
        length if (1..=highest).contains(&length) => Ok(()),
        length => Err(ApiError::invalid(format!(
            "{name} must have 1 to {highest} characters, not {length}"
        ))),
    }
}

pub fn stored_text(name: &str, value: &str, highest: usize) -> Result<(), ApiError> {
    if value.contains('\0') {
        return Err(ApiError::invalid(format!("{name} must not contain NUL")));
    }
    text(name, value, highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_inclusive() {
        assert!(within("limit", 1, 1..=100).is_ok());
        assert!(within("limit", 100, 1..=100).is_ok());
        assert!(within("limit", 0, 1..=100).is_err());
        assert!(within("limit", 101, 1..=100).is_err());
    }

    #[test]
    fn a_text_is_counted_in_code_points() {
        assert!(text("title", &"🦀".repeat(200), 200).is_ok());
        assert!(text("title", &"🦀".repeat(201), 200).is_err());
        assert!(text("title", "", 200).is_err());
    }

    #[test]
    fn databases_get_no_nul() {
        assert!(text("text", "a\0", 200).is_ok());
        assert!(stored_text("title", "a\0", 200).is_err());
    }
}
