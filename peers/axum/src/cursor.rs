//! The cursor of a page of tasks: its last id in decimal, as base64url without padding.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::errors::ApiError;

pub fn encode(id: i64) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(id.to_string())
}

pub fn decode(cursor: &str) -> Result<i64, ApiError> {
    BASE64_URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok())
        // One cursor per id: no sign, no leading zero.
        .filter(|&id| id >= 0 && encode(id) == cursor)
        .ok_or_else(|| ApiError::invalid("after must be the cursor of an earlier page"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_its_id() {
        for id in [0, 1, 25, 1000, i64::MAX] {
            assert_eq!(decode(&encode(id)).unwrap(), id);
        }
    }

    #[test]
    fn it_has_no_padding() {
        assert_eq!(encode(25), "MjU");
    }

    #[test]
    fn anything_else_is_refused() {
        // "MjV" has bits beyond the last byte; the others are padded, "-1", "+1", "01", "1.0",
        // 2⁶³, not a number, and not base64url.
        let wrong = [
            "",
            "MjV",
            "MjU=",
            "LTE",
            "KzE",
            "MDE",
            "MS4w",
            "OTIyMzM3MjAzNjg1NDc3NTgwOA",
            "YWJj",
            "a+/b",
            "%%%",
            "é",
        ];
        for cursor in wrong {
            assert!(decode(cursor).is_err(), "{cursor:?}");
        }
    }
}
