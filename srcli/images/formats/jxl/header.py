"""The header of a JPEG XL codestream (ISO/IEC 18181-1, annex D): size, depth, colours; and its place for a profile."""

from __future__ import annotations

from dataclasses import dataclass, field

SIGNATURE = b"\xff\x0a"
RGB, GREY, XYB = 0, 1, 2  # colour spaces
CUSTOM = 2  # a white point or primaries that are written out
ALPHA, SPOT, CFA = 0, 2, 5  # kinds of extra channels
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width to height


class Bits:
    """Bits of bytes, the lowest of each byte first. Reading beyond the end raises ValueError."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def read(self, count: int) -> int:
        """An unsigned number of that many bits."""
        first, last = self.at // 8, -(-(self.at + count) // 8)
        if last > len(self.data):
            raise ValueError("the header ends too early")
        value = int.from_bytes(self.data[first:last], "little") >> self.at % 8
        self.at += count
        return value & ((1 << count) - 1)

    def u32(self, *ways: int | tuple[int, int]) -> int:
        """U32: one of four ways, each a constant, or an offset and a number of bits."""
        way = ways[self.read(2)]
        return way if isinstance(way, int) else way[0] + self.read(way[1])

    def enum(self) -> int:
        return self.u32(0, 1, (2, 4), (18, 6))

    def u64(self) -> int:
        way = self.read(2)
        if way < 3:
            return (0, 1 + self.read(4) if way == 1 else 0, 17 + self.read(8) if way == 2 else 0)[way]
        value, shift = self.read(12), 12
        while self.read(1):
            if shift == 60:
                return value | self.read(4) << shift
            value |= self.read(8) << shift
            shift += 8
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """The colour encoding of the original picture.

    icc: whether a profile follows the header.
    space: RGB, GREY or XYB.
    white, primaries: numbers of the standard, or CIE xy (pairs) where they are written out.
    curve: number of the transfer function, or gamma (encoded = light ** gamma) below 1.
    """

    icc: bool = False
    space: int = RGB
    white: int | tuple[float, ...] = 1
    primaries: int | tuple[float, ...] = 1
    curve: float = 13

    @property
    def srgb(self) -> bool:
        """Whether it is sRGB, or grey with its curve."""
        return not self.icc and self.white == 1 and self.curve == 13 and (self.space == GREY or self.primaries == 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What precedes the frames.

    width, height: upright.
    bits: per channel; floats: whether they are floating-point.
    alpha: whether there is transparency; premultiplied: whether colours are multiplied by it.
    xyb: whether colours are absolute, in XYB, rather than values of the original encoding.
    depth_place, place: where the bits of the depth and of the colour encoding begin and end; both 0 if left out.
    end: bits of the header without the profile.
    """

    width: int
    height: int
    bits: int = 8
    floats: bool = False
    alpha: bool = False
    premultiplied: bool = False
    animated: bool = False
    xyb: bool = True
    colours: Colours = field(default_factory=Colours)
    depth_place: tuple[int, int] = (0, 0)
    place: tuple[int, int] = (0, 0)
    end: int = 0


def parse(data: bytes) -> Header:
    """The header of a codestream. Raises ValueError."""
    if data[:2] != SIGNATURE:
        raise ValueError("no JPEG XL codestream")
    bits = Bits(data, 16)
    height, width = _size(bits)
    if bits.read(1):  # all default
        return Header(width=width, height=height, end=_transforms(bits, True))
    turned = animated = extra = False
    if extra := bool(bits.read(1)):
        turned = bits.read(3) >= 4
        if bits.read(1):
            _size(bits)
        if bits.read(1):
            _preview(bits)
        if animated := bool(bits.read(1)):
            bits.u32(100, 1000, (1, 10), (1, 30))
            bits.u32(1, 1001, (1, 8), (1, 10))
            bits.u32(0, (0, 3), (0, 16), (0, 32))
            bits.read(1)
    depth_start = bits.at
    floats, depth = _depth(bits)
    depth_place = (depth_start, bits.at)
    bits.read(1)
    channels = [_extra_channel(bits) for _ in range(bits.u32(0, 1, (2, 4), (1, 12)))]
    alphas = [associated for kind, associated in channels if kind == ALPHA]
    xyb, start = bool(bits.read(1)), bits.at
    colours = _colours(bits)
    stop = bits.at
    if extra and not bits.read(1):  # tone mapping
        bits.read(16 + 16 + 1 + 16)
    _extensions(bits)
    return Header(
        width=height if turned else width,
        height=width if turned else height,
        bits=depth,
        floats=floats,
        alpha=bool(alphas),
        premultiplied=any(alphas),
        animated=animated,
        xyb=xyb,
        colours=colours,
        depth_place=depth_place,
        place=(start, stop),
        end=_transforms(bits, xyb),
    )


FLOAT = "1" + "00" + "1110"  # a depth: 32 bits with an exponent of 8
DEPTHS = {8: "0" + "00", 16: "0" + "11" + "111100"}
SRGB = "1"
GREY_SRGB = "0" + "0" + "10" + "10" + "0" + "01" + "1101" + "10"  # grey, D65, the curve of sRGB, relative colorimetric
OWN = {RGB: "0" + "1" + "00", GREY: "0" + "1" + "10"}  # by the profile that follows


def changed(data: bytes, *, depth: str = "", colours: str = "", profile: str = "") -> bytes:
    """A codestream with other bits in its header; the frames stay. Its header must state depth and colours.

    depth, colours: such as `FLOAT` and `SRGB`; empty: as they are.
    profile: bits of the profile that follows, for `OWN`; a profile that the codestream has stays if it is empty.
    """
    header = parse(data)
    (low, high), (start, stop) = header.depth_place, header.place
    if not high:
        raise ValueError("the header leaves out depth and colours")
    if header.colours.icc and (profile or colours):
        raise ValueError("the header has a profile already")
    before = depth or _text(data, low, high)
    bits = _text(data, 0, low) + before + _text(data, high, start)
    bits += (colours or _text(data, start, stop)) + _text(data, stop, header.end) + profile
    if header.colours.icc:
        rest = _after_profile(data, header.end)
        bits += _text(data, header.end, rest)
    else:
        rest = header.end
    padded = bits + "0" * (-len(bits) % 8)
    return int(padded[::-1], 2).to_bytes(len(padded) // 8, "little") + data[-(-rest // 8) :]


def _text(data: bytes, start: int, stop: int) -> str:
    """Bits as "0" and "1", in their order."""
    value = int.from_bytes(data[start // 8 : -(-stop // 8)], "little") >> start % 8
    return f"{value & ((1 << stop - start) - 1):0{stop - start}b}"[::-1] if stop > start else ""


def _after_profile(data: bytes, at: int) -> int:
    from srcli.images.formats.jxl import profile

    profile.read(bits := Bits(data, at))
    return bits.at


def _size(bits: Bits) -> tuple[int, int]:
    """Height and width."""

    def side() -> int:
        return 8 * (1 + bits.read(5)) if small else bits.u32((1, 9), (1, 13), (1, 18), (1, 30))

    small = bits.read(1)
    height = side()
    ratio = bits.read(3)
    if not ratio:
        return height, side()
    across, down = RATIOS[ratio - 1]
    return height, height * across // down


def _preview(bits: Bits) -> None:
    eighths = bits.read(1)

    def side() -> None:
        if eighths:
            bits.u32(16, 32, (1, 5), (33, 9))
        else:
            bits.u32((1, 6), (65, 8), (321, 10), (1345, 12))

    side()
    if not bits.read(3):
        side()


def _depth(bits: Bits) -> tuple[bool, int]:
    if not bits.read(1):
        return False, bits.u32(8, 10, 12, (1, 6))
    depth = bits.u32(32, 16, 24, (1, 6))
    bits.read(4)
    return True, depth


def _extra_channel(bits: Bits) -> tuple[int, bool]:
    """The kind of an extra channel, and whether colours are multiplied by it."""
    if bits.read(1):
        return ALPHA, False
    kind = bits.enum()
    _depth(bits)
    bits.u32(0, 3, 4, (1, 3))
    bits.read(8 * bits.u32(0, (0, 4), (16, 5), (48, 10)))
    associated = kind == ALPHA and bool(bits.read(1))
    if kind == SPOT:
        bits.read(64)
    if kind == CFA:
        bits.u32(1, (0, 2), (3, 4), (19, 8))
    return kind, associated


def _colours(bits: Bits) -> Colours:
    if bits.read(1):
        return Colours()
    icc, space = bool(bits.read(1)), bits.enum()
    if icc:
        return Colours(icc=True, space=space)
    white: int | tuple[float, ...] = 1
    primaries: int | tuple[float, ...] = 1
    if space != XYB:
        white = bits.enum()
        if white == CUSTOM:
            white = _point(bits)
        if space != GREY:
            primaries = bits.enum()
            if primaries == CUSTOM:
                primaries = (*_point(bits), *_point(bits), *_point(bits))
    curve = bits.read(24) / 1e7 if bits.read(1) else float(bits.enum())
    bits.enum()  # rendering intent
    return Colours(space=space, white=white, primaries=primaries, curve=curve)


def _point(bits: Bits) -> tuple[float, float]:
    def one() -> float:
        packed = bits.u32((0, 19), (524288, 19), (1048576, 20), (2097152, 21))
        return (-(packed + 1) // 2 if packed & 1 else packed // 2) / 1e6

    return one(), one()


def _extensions(bits: Bits) -> None:
    chosen = bits.u64()
    bits.read(sum(bits.u64() for _ in range(chosen.bit_count())))


def _transforms(bits: Bits, xyb: bool) -> int:
    """Skip the custom transforms. Returns where they end."""
    if not bits.read(1):
        if xyb and not bits.read(1):
            bits.read(16 * 16)
        weights = bits.read(3)
        bits.read(16 * sum(count for bit, count in ((1, 15), (2, 55), (4, 210)) if weights & bit))
    return bits.at
