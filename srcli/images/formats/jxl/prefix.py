"""Prefix codes of JPEG XL, which are those of Brotli (RFC 7932, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

from srcli.images.formats.jxl.header import Bits

LENGTH_ORDER = (1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8, 9, 10, 11, 12, 13, 14, 15)
# The code of those lengths: (bits, code with the lowest bit first) -> length.
LENGTHS = {(2, 0): 0, (4, 7): 1, (3, 3): 2, (2, 2): 3, (2, 1): 4, (4, 15): 5}


class Prefix:
    """A prefix code, as in Brotli (RFC 7932, section 3)."""

    def __init__(self, lengths: Sequence[int]) -> None:
        used = [(length, symbol) for symbol, length in enumerate(lengths) if length]
        self.only = used[0][1] if len(used) == 1 else 0 if not used else None
        self.codes: dict[tuple[int, int], int] = {}
        code, last = 0, 0
        for length, symbol in sorted(used):
            code <<= length - last
            self.codes[length, code] = symbol
            code, last = code + 1, length

    def symbol(self, bits: Bits, state: list[int]) -> int:
        if self.only is not None:
            return self.only
        code = 0
        for length in range(1, 16):
            code = code << 1 | bits.read(1)
            if (found := self.codes.get((length, code))) is not None:
                return found
        raise ValueError("invalid prefix code")

    @classmethod
    def read(cls, bits: Bits, count: int) -> Prefix:
        """A code for `count` symbols."""
        if count == 1:
            return cls([])
        skipped = bits.read(2)
        return cls(_few(bits, count) if skipped == 1 else _many(bits, count, skipped))


def _few(bits: Bits, count: int) -> list[int]:
    """The lengths of a code with at most four symbols."""
    number = bits.read(2) + 1
    symbols = [bits.read((count - 1).bit_length()) % count for _ in range(number)]
    if len(set(symbols)) < number:
        raise ValueError("a symbol occurs twice")
    shape = ((1,), (1, 1), (1, 2, 2), (2, 2, 2, 2))[number - 1]
    if number == 4 and bits.read(1):
        shape = (1, 2, 3, 3)
    lengths = [0] * count
    for symbol, length in zip(symbols, shape, strict=True):
        lengths[symbol] = length
    return lengths


def _many(bits: Bits, count: int, skipped: int) -> list[int]:
    inner, space = [0] * 18, 32
    for place in LENGTH_ORDER[skipped:]:
        if space <= 0:
            break
        inner[place] = static(bits, LENGTHS)
        if inner[place]:
            space -= 32 >> inner[place]
    if space and sum(map(bool, inner)) != 1:
        raise ValueError("invalid code lengths")
    code, space = Prefix(inner), 32768
    lengths: list[int] = []
    previous, repeated, repeats = 8, 0, 0
    while len(lengths) < count and space > 0:
        length = code.symbol(bits, [])
        if length < 16:
            repeats = 0
            lengths.append(length)
            if length:
                previous, space = length, space - (32768 >> length)
            continue
        value, extra = (previous if length == 16 else 0), length - 14
        if value != repeated:
            repeated, repeats = value, 0
        before = repeats
        if repeats:
            repeats = (repeats - 2) << extra
        repeats += bits.read(extra) + 3
        lengths += [value] * (repeats - before)
        if len(lengths) > count:
            raise ValueError("invalid code lengths")
        if value:
            space -= (repeats - before) << (15 - value)
    if space:
        raise ValueError("invalid code lengths")
    return lengths + [0] * (count - len(lengths))


def static(bits: Bits, table: dict[tuple[int, int], int]) -> int:
    """A symbol of a fixed code: (bits, code with the lowest bit first) -> symbol. Raises ValueError."""
    code = 0
    for length in range(8):
        if (found := table.get((length, code))) is not None:
            return found
        code |= bits.read(1) << length
    raise ValueError("invalid prefix code")
