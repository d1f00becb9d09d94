"""Decode entropy-coded numbers of JPEG XL (ISO/IEC 18181-1, annex C): prefix codes or ANS, with LZ77."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from srcli.images.formats.jxl.header import Bits
from srcli.images.formats.jxl.prefix import Prefix, static

TABLE_BITS = 12  # of ANS
RANGE = 1 << TABLE_BITS
FINAL = 0x130000  # the state of ANS after the last number
WINDOW = 1 << 20
# A prefix code, lowest bit first: (bits, code) -> symbol.
LOG_COUNTS = {
    (3, 0): 10, (3, 2): 7, (3, 4): 6, (3, 5): 8, (3, 6): 9, (4, 3): 3, (4, 7): 5, (4, 9): 4, (4, 11): 1, (4, 15): 2,
    (5, 17): 0, (6, 33): 11, (7, 1): 12, (7, 65): 13,
}  # fmt: skip
REPEAT = 13  # the log count that repeats the previous count


class Code(Protocol):
    """A distribution of symbols."""

    def symbol(self, bits: Bits, state: list[int]) -> int:
        """The next symbol. state: of ANS, one number, changed in place."""


@dataclass(frozen=True, slots=True)
class Hybrid:
    """How numbers are split into a token, which is entropy-coded, and plain bits."""

    split: int
    high: int
    low: int

    @classmethod
    def read(cls, bits: Bits, log_alphabet: int) -> Hybrid:
        split = bits.read(log_alphabet.bit_length())
        if split == log_alphabet:
            return cls(split, 0, 0)
        high = bits.read(split.bit_length())
        if high > split:
            raise ValueError("invalid token split")
        low = bits.read((split - high).bit_length())
        if high + low > split:
            raise ValueError("invalid token split")
        return cls(split, high, low)

    def number(self, bits: Bits, token: int) -> int:
        first = 1 << self.split
        if token < first:
            return token
        count = self.split - (self.high + self.low) + ((token - first) >> (self.high + self.low))
        if count > 32:
            raise ValueError("a number is too long")
        low, token = token & ((1 << self.low) - 1), token >> self.low
        top = (1 << self.high) | (token & ((1 << self.high) - 1))
        return ((top << count | bits.read(count)) << self.low) | low


class Ans:
    """An asymmetric numeral system of 12 bits, as an alias table."""

    def __init__(self, counts: list[int], log_alphabet: int) -> None:
        size, self.shift = 1 << log_alphabet, TABLE_BITS - log_alphabet
        if len(counts) > size:
            raise ValueError("too many symbols")
        self.counts = counts + [0] * (size - len(counts))
        entry = 1 << self.shift
        self.right, self.offset, self.cutoff = list(range(size)), [0] * size, list(self.counts)
        if RANGE in counts:
            self.right = [counts.index(RANGE)] * size
            self.offset, self.cutoff = [entry * i for i in range(size)], [0] * size
            return
        over = [i for i, count in enumerate(self.cutoff) if count > entry]
        under = [i for i, count in enumerate(self.cutoff) if count < entry]
        while over:
            high, low = over.pop(), under.pop()
            self.cutoff[high] -= entry - self.cutoff[low]
            self.right[low], self.offset[low] = high, self.cutoff[high]
            if self.cutoff[high] != entry:
                (under if self.cutoff[high] < entry else over).append(high)
        for i, cutoff in enumerate(self.cutoff):
            if cutoff == entry:
                self.cutoff[i] = 0
            else:
                self.offset[i] -= cutoff

    def symbol(self, bits: Bits, state: list[int]) -> int:
        place = state[0] & (RANGE - 1)
        i, at = place >> self.shift, place & ((1 << self.shift) - 1)
        symbol, offset = (self.right[i], self.offset[i] + at) if at >= self.cutoff[i] else (i, at)
        state[0] = self.counts[symbol] * (state[0] >> TABLE_BITS) + offset
        if state[0] < 1 << 16:
            state[0] = state[0] << 16 | bits.read(16)
        return symbol


def _counts(bits: Bits) -> list[int]:
    """A histogram that sums to `RANGE`."""
    if bits.read(1):
        symbols = [_short(bits, 3) for _ in range(bits.read(1) + 1)]
        counts = [0] * (max(symbols) + 1)
        if len(symbols) == 2 and symbols[0] != symbols[1]:
            counts[symbols[0]] = bits.read(TABLE_BITS)
        elif len(symbols) == 2:
            raise ValueError("a symbol occurs twice")
        counts[symbols[-1]] = RANGE - sum(counts)
        return counts
    if bits.read(1):
        number = _short(bits, 3) + 1
        return [RANGE // number + (i < RANGE % number) for i in range(number)]
    return _long_counts(bits)


def _long_counts(bits: Bits) -> list[int]:
    log = 0
    while log < 3 and bits.read(1):
        log += 1
    shift = (bits.read(log) | 1 << log) - 1
    length = _short(bits, 3) + 3
    logs, runs, i = [0] * length, [0] * length, 0
    while i < length:
        logs[i] = static(bits, LOG_COUNTS)
        if logs[i] == REPEAT:
            runs[i] = _short(bits, 3) + 4
            logs[i] = -1
            i += runs[i] - 1
        i += 1
    largest = max(range(length), key=lambda at: logs[at])
    counts, same, value = [0] * length, 0, 0
    for i, code in enumerate(logs):
        if runs[i]:
            same, value = runs[i], counts[i - 1] if i else 0
        if same:
            counts[i], same = value, same - 1
        elif code > 0 and i != largest:
            precise = max(0, min(code - 1, shift - ((TABLE_BITS - code + 1) >> 1)))
            counts[i] = (1 << (code - 1)) + (bits.read(precise) << (code - 1 - precise))
    counts[largest] = RANGE - sum(counts)
    if logs[largest] < 1 or counts[largest] <= 0:
        raise ValueError("invalid histogram")
    return counts


def _short(bits: Bits, width: int) -> int:
    """A number with its own length, in `width` bits."""
    if not bits.read(1):
        return 0
    count = bits.read(width)
    return (1 << count) + bits.read(count)


class Numbers:
    """Entropy-coded numbers in contexts."""

    def __init__(self, bits: Bits, contexts: int, *, copies: bool = True) -> None:
        """copies: whether LZ77 is allowed. Raises ValueError."""
        self.bits, self.least, self.history = bits, None, []  # type: ignore[var-annotated]
        if bits.read(1):
            if not copies:
                raise ValueError("LZ77 where it is not allowed")
            self.least = bits.u32(224, 512, 4096, (8, 15))
            self.shortest = bits.u32(3, 4, (5, 2), (9, 8))
            self.lengths = Hybrid.read(bits, 8)
            contexts += 1
        self.clusters = _clusters(bits, contexts) if contexts > 1 else [0]
        number = max(self.clusters) + 1
        prefix = bits.read(1)
        log_alphabet = 15 if prefix else 5 + bits.read(2)
        self.hybrids = [Hybrid.read(bits, log_alphabet) for _ in range(number)]
        self.codes: list[Code]
        if prefix:
            sizes = [_short(bits, 4) + 1 for _ in range(number)]
            self.codes = [Prefix.read(bits, size) for size in sizes]
        else:
            self.codes = [Ans(_counts(bits), log_alphabet) for _ in range(number)]
        self.state = [FINAL if prefix else bits.read(32)]
        self.left = self.source = 0  # to copy

    def next(self, context: int) -> int:
        """The next number. Raises ValueError."""
        while not self.left:
            cluster = self.clusters[context]
            token = self.codes[cluster].symbol(self.bits, self.state)
            if self.least is None or token < self.least:
                return self._keep(self.hybrids[cluster].number(self.bits, token))
            self.left = self.lengths.number(self.bits, token - self.least) + self.shortest
            cluster = self.clusters[-1]
            token = self.codes[cluster].symbol(self.bits, self.state)
            distance = self.hybrids[cluster].number(self.bits, token) + 1
            self.source = len(self.history) - min(distance, len(self.history), WINDOW)
        self.left, self.source = self.left - 1, self.source + 1
        return self._keep(self.history[self.source - 1] if self.history else 0)

    def _keep(self, number: int) -> int:
        self.history.append(number)
        return number

    def check(self) -> None:
        """Raise ValueError if the last number was not the last one written."""
        if self.state[0] != FINAL:
            raise ValueError("entropy-coded data is damaged")


def _clusters(bits: Bits, contexts: int) -> list[int]:
    """Which distribution each context uses."""
    if bits.read(1):
        width = bits.read(2)
        return [bits.read(width) for _ in range(contexts)]
    moved = bits.read(1)
    numbers = Numbers(bits, 1, copies=contexts > 2)
    found = [numbers.next(0) for _ in range(contexts)]
    numbers.check()
    if max(found) > 255:
        raise ValueError("too many distributions")
    if moved:
        order = list(range(256))
        for i, place in enumerate(found):
            found[i] = order.pop(place)
            order.insert(0, found[i])
    return found
