"""The ICC profile in a JPEG XL header (ISO/IEC 18181-1, annex E): predicted bytes and commands, entropy-coded."""

from __future__ import annotations

from srcli.images.formats.jxl.entropy import Numbers
from srcli.images.formats.jxl.header import Bits

CONTEXTS = 41
HEADER = 128  # bytes of a profile's header
LONGEST = 1 << 22  # bytes of a profile that is read
TAGS = (
    b"cprt", b"wtpt", b"bkpt", b"rXYZ", b"gXYZ", b"bXYZ", b"kXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"chad", b"desc",
    b"chrm", b"dmnd", b"dmdd", b"lumi",
)  # fmt: skip
OF_20_BYTES = frozenset({b"rXYZ", b"gXYZ", b"bXYZ", b"kXYZ", b"wtpt", b"bkpt", b"lumi"})
TYPES = (b"XYZ ", b"desc", b"text", b"mluc", b"para", b"curv", b"sf32", b"gbd ")
INSERT, SHUFFLE_2, SHUFFLE_4, PREDICT, XYZ, TYPE = 1, 2, 3, 4, 10, 16  # commands


def read(bits: Bits) -> bytes:
    """The profile that follows a header. Raises ValueError."""
    size = bits.u64()
    if size > LONGEST:
        raise ValueError("the colour profile is too long")
    numbers, encoded = Numbers(bits, CONTEXTS), bytearray()
    for i in range(size):
        last, one_before = encoded[-1] if i > 0 else 0, encoded[-2] if i > 1 else 0
        value = numbers.next(0 if i <= HEADER else 1 + _kind(last) + 8 * _coarse_kind(one_before))
        if value > 255:
            raise ValueError("the colour profile is damaged")
        encoded.append(value)
    numbers.check()
    return _Profile(bytes(encoded)).decode()


def written(profile: bytes) -> str:
    """A profile as the bits that follow a header, "0" and "1" in their order.

    Plain: one prefix code of 8 bits for all bytes. A profile is small beside its picture.
    """
    residuals = bytearray()
    for at in range(min(HEADER, len(profile))):
        residuals.append((profile[at] - _predicted(profile, len(profile), at)) & 255)
    rest = profile[HEADER:]
    commands = b"\0" + (bytes([INSERT]) + _varint(len(rest)) if rest else b"")
    if len(profile) < HEADER:
        commands = b""
    encoded = _varint(len(profile)) + _varint(len(commands)) + commands + bytes(residuals) + rest
    # No LZ77; all contexts share a distribution; a prefix code; tokens are numbers; 256 = 1 + 2**7 + 127 symbols.
    head = "0" + "1" + "00" + "1" + _bits(15, 4) + "1" + _bits(7, 4) + _bits(127, 7)
    # Code lengths, in the order of `prefix.LENGTH_ORDER`: only 8 occurs, so that it takes no bits to repeat.
    lengths = "00" + "00" * 10 + "01" + "00" * 7
    return _u64(len(encoded)) + head + lengths + "".join(f"{byte:08b}" for byte in encoded)


def _bits(value: int, count: int) -> str:
    """A number, the lowest bit first."""
    return f"{value:0{count}b}"[::-1]


def _u64(value: int) -> str:
    if value < 17:
        return _bits(1, 2) + _bits(value - 1, 4) if value else "00"
    if value < 273:
        return _bits(2, 2) + _bits(value - 17, 8)
    text, value = _bits(3, 2) + _bits(value & 0xFFF, 12), value >> 12
    while value:
        text, value = text + "1" + _bits(value & 255, 8), value >> 8
    return text + "0"


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _predicted(done: bytes | bytearray, size: int, at: int) -> int:
    """The prediction of a byte of the header of a profile of `size` bytes, from those before it."""
    usual = bytearray(HEADER)
    usual[:4] = size.to_bytes(4, "big")
    usual[8], usual[70], usual[71], usual[73], usual[78], usual[79] = 4, 246, 214, 1, 211, 45
    usual[12:24], usual[36:40] = b"mntrRGB XYZ ", b"acsp"
    if at >= 80:
        usual[80:84] = done[4:8]
    if 41 <= at < 44:
        for name in (b"APPL", b"MSFT"):
            if done[40] == name[0]:
                usual[40:44] = name
    if 42 <= at < 44:
        for name in (b"SGI ", b"SUNW"):
            if done[40:42] == name[:2]:
                usual[40:44] = name
    return usual[at]


def _kind(byte: int) -> int:
    if chr(byte).isascii() and chr(byte).isalpha():
        return 0
    if byte in b"0123456789.,":
        return 1
    if byte < 16:
        return byte + 2 if byte < 2 else 4
    return 6 if byte == 255 else 5 if byte > 240 else 7


def _coarse_kind(byte: int) -> int:
    if chr(byte).isascii() and chr(byte).isalpha():
        return 0
    if byte in b"0123456789.,":
        return 1
    return 2 if byte < 16 else 3 if byte > 240 else 4


class _Profile:
    """Decodes a profile: commands say how its bytes come from the data that follows them."""

    def __init__(self, encoded: bytes) -> None:
        self.encoded, self.at, self.out = encoded, 0, bytearray()
        self.size, length = self._varint(), self._varint()
        self.data = self.at + length  # where the next bytes of data are
        self.commands_end = self.data
        if self.size > LONGEST or self.data > len(encoded):
            raise ValueError("the colour profile is damaged")

    def decode(self) -> bytes:
        for at in range(min(HEADER, self.size)):
            self.out.append((self._take(1)[0] + _predicted(self.out, self.size, at)) & 255)
        if self.size > HEADER:
            self._tags()
            while self.at < self.commands_end:
                self._command(self._byte())
                if len(self.out) > self.size:
                    raise ValueError("the colour profile is damaged")
        if len(self.out) != self.size or self.data != len(self.encoded):
            raise ValueError("the colour profile is damaged")
        return bytes(self.out)

    def _tags(self) -> None:
        """The table of tags."""
        count = self._varint()
        if not count:
            return
        self._word(count - 1)
        start, size = HEADER + 12 * (count - 1), 0
        while self.at < self.commands_end and len(self.out) <= self.size:
            command = self._byte()
            code = command & 63
            if not code:
                return
            if code - 4 >= len(TAGS):
                raise ValueError("the colour profile is damaged")
            name = self._take(4) if code == 1 else b"rTRC" if code == 2 else b"rXYZ" if code == 3 else TAGS[code - 4]
            start, before = (self._varint() if command & 64 else start + size), size
            size = self._varint() if command & 128 else 20 if name in OF_20_BYTES else before
            self._tag(name, start, size)
            if code in (2, 3):
                step = size if code == 3 else 0
                self._tag(b"g" + name[1:], start + step, size)
                self._tag(b"b" + name[1:], start + 2 * step, size)

    def _command(self, command: int) -> None:
        if command == INSERT:
            self.out += self._take(self._varint())
        elif command in (SHUFFLE_2, SHUFFLE_4):
            self.out += _shuffled(self._take(self._varint()), 2 if command == SHUFFLE_2 else 4)
        elif command == PREDICT:
            self._predict()
        elif command == XYZ:
            self.out += b"XYZ \0\0\0\0" + self._take(12)
        elif TYPE <= command < TYPE + len(TYPES):
            self.out += TYPES[command - TYPE] + bytes(4)
        else:
            raise ValueError("the colour profile is damaged")

    def _predict(self) -> None:
        """Numbers of 1, 2 or 4 bytes as differences from a prediction of order 0 to 2."""
        flags = self._byte()
        width, order = (flags & 3) + 1, flags >> 2 & 3
        stride = self._varint() if flags & 16 else width
        count = self._varint()
        if width == 3 or order == 3 or stride < width or 4 * stride >= len(self.out):
            raise ValueError("the colour profile is damaged")
        data = _shuffled(self._take(count), width)
        start, mask = len(self.out), (1 << 8 * width) - 1

        def before(steps: int, place: int) -> int:
            at = start + place - steps * stride
            return int.from_bytes(self.out[at : at + width], "big")

        for i, residual in enumerate(data):
            if i % width == 0:
                one, two, three = (before(steps, i) for steps in (1, 2, 3))
                guess = (one, 2 * one - two, 3 * one - 3 * two + three)[order] & mask
            self.out.append((residual + (guess >> 8 * (width - 1 - i % width))) & 255)

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 63, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("the colour profile is damaged")

    def _byte(self) -> int:
        if self.at >= len(self.encoded):
            raise ValueError("the colour profile is damaged")
        self.at += 1
        return self.encoded[self.at - 1]

    def _take(self, count: int) -> bytes:
        if self.data + count > len(self.encoded):
            raise ValueError("the colour profile is damaged")
        self.data += count
        return self.encoded[self.data - count : self.data]

    def _word(self, value: int) -> None:
        self.out += (value & 0xFFFFFFFF).to_bytes(4, "big")

    def _tag(self, name: bytes, start: int, size: int) -> None:
        self.out += name
        self._word(start)
        self._word(size)


def _shuffled(data: bytes, width: int) -> bytes:
    """Bytes that are stored by place in their number: all first bytes, then all second ones."""
    rows = -(-len(data) // width)
    return bytes(data[(i % width) * rows + i // width] for i in range(len(data))) if width > 1 else data
