//! CPU and memory work on the worker that got the request, like `async def` without the interpreter.

use std::hint::black_box;

use axum::Json;
use serde_json::{Value, json};

use crate::checks;
use crate::errors::ApiError;
use crate::extract::Segment;

const PAGE: usize = 4096;
const PAGES_PER_MIB: usize = 256;

pub async fn cpu(Segment(n): Segment<u32>) -> Result<Json<Value>, ApiError> {
    checks::within("n", n, 1..=10_000_000)?;
    Ok(Json(json!({ "n": n, "result": congruential(n) })))
}

pub async fn memory(Segment(mb): Segment<usize>) -> Result<Json<Value>, ApiError> {
    checks::within("mb", mb, 1..=256)?;
    Ok(Json(json!({ "mb": mb, "pages": touched_pages(mb) })))
}

/// The state of a linear congruential generator after `n` steps from 1. The compiler must not merge
/// steps.
fn congruential(n: u32) -> u64 {
    let step = |state, _| black_box((state * 1_103_515_245 + 12_345) % (1 << 31));
    (0..n).fold(1, step)
}

fn touched_pages(mb: usize) -> usize {
    let mut memory = vec![0_u8; mb * PAGES_PER_MIB * PAGE];
    let mut pages = 0;
    for page in memory.chunks_exact_mut(PAGE) {
        page[0] = 1;
        pages += 1;
    }
    // The compiler could drop an allocation that is never read.
    black_box(&memory);
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_goes_as_written() {
        assert_eq!(congruential(1), 1_103_527_590);
        assert_eq!(congruential(2), 377_401_575);
        assert_eq!(congruential(3), 662_824_084);
    }

    #[test]
    fn a_mebibyte_has_256_pages() {
        assert_eq!(touched_pages(1), 256);
        assert_eq!(touched_pages(3), 768);
    }
}
