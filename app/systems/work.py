"""Work that waits for nothing."""

MULTIPLIER, INCREMENT, MODULUS = 1_103_515_245, 12_345, 2**31
PAGE_BYTES = 4096
MIB = 2**20


def spin(n: int) -> int:
    """n steps of a linear congruential generator (the constants of C's old rand). Each needs the
    one before: no compiler can leave one out."""
    value = 1
    for _ in range(n):
        value = (value * MULTIPLIER + INCREMENT) % MODULUS
    return value


def fill(mb: int) -> int:
    """Takes so many MiB and writes to each page, since an untouched one is only promised.
    Returns how many pages it wrote to."""
    memory, pages = bytearray(mb * MIB), 0
    for at in range(0, len(memory), PAGE_BYTES):
        memory[at] = 1
        pages += 1
    return pages
