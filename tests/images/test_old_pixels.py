"""What files say about their old pixels is dropped or corrected; what people wrote stays."""

from __future__ import annotations

import io

import pytest
import tifffile
from PIL import ExifTags, Image

from srcli import images
from srcli.geometry import Size
from srcli.images.metadata import finished
from srcli.images.old_pixels import correct_xmp
from srcli.images.read import decode
from tests.images.steps import MADE, photo, write

OME = (
    '<?xml version="1.0" encoding="UTF-8"?><!-- Warning: this comment is an OME-XML metadata block -->'
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels SizeX="14" SizeY="10" '
    'PhysicalSizeX="0.5"/></Image></OME>'
)
IMAGEJ = "ImageJ=1.54f\nimages=1\nunit=micron\nspacing=0.5\n"


def described(tmp_path, text: str, suffix: str = ".tif") -> tuple[str | None, tuple[str, ...]]:
    """The description of a result of a TIFF with a description, and all notes."""
    tifffile.imwrite(tmp_path / "in.tif", photo(), photometric="rgb", description=text, metadata=None)
    picture = images.read(tmp_path / "in.tif")
    notes = write(tmp_path / f"out{suffix}", picture)
    with Image.open(tmp_path / f"out{suffix}") as made:
        return made.getexif().get(ExifTags.Base.ImageDescription), picture.notes + notes


@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
@pytest.mark.parametrize(
    ("text", "name"),
    [
        (OME, "OME-XML"),
        (IMAGEJ, "an ImageJ header"),
        ('{"shape": [10, 14, 3]}', "tifffile's shape"),
        ("shape=(10, 14, 3)", "tifffile's shape"),
        ("Aperio Image Library v10.0.51\r\n46920x33014 [0,100 46000x32914]|MPP = 0.4990", "an Aperio header"),
    ],
)
def test_descriptions_of_the_old_pixels_are_left_out_and_told(tmp_path, text, name, suffix):
    kept, notes = described(tmp_path, text, suffix)
    assert kept is None
    assert notes == (f"the description held {name}, which describes the old pixels: left out",)
    assert text.encode() not in (tmp_path / f"out{suffix}").read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "Sunset over the bay",
        "10x14 print of a shape=(2, 3) cookie cutter",
        "My ImageJ=1.5 notes come later: ImageJ=",
        "<b>OMELETTE</b>",
        '{"title": "a shape"}',
        '{"shape": "round"}',
        "{not json",
    ],
)
def test_what_people_wrote_stays(tmp_path, text):
    if not text.startswith("My"):
        assert described(tmp_path, text) == (text, ())
    else:
        assert described(tmp_path, text)[0] == text


def test_keys_of_ones_own_beside_a_shape_stay(tmp_path):
    kept, notes = described(tmp_path, '{"shape": [10, 14, 3], "title": "sea", "axes": "YXS"}')
    assert kept == '{"title": "sea"}'
    assert "tifffile's shape" in notes[0]


def test_a_result_of_a_microscopes_file_opens_with_its_own_size(tmp_path):
    """tifffile believes the description: with the old one, it would return another shape or fail."""
    tifffile.imwrite(tmp_path / "in.ome.tif", photo(), photometric="rgb", metadata={"axes": "YXS"})
    with tifffile.TiffFile(tmp_path / "in.ome.tif") as file:
        assert file.is_ome
    picture = images.read(tmp_path / "in.ome.tif")
    assert any("OME-XML" in note for note in picture.notes)
    write(tmp_path / "out.tif", picture)
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert not any((file.is_ome, file.is_shaped, file.is_imagej))
        assert file.asarray().shape == (10, 14, 3)


def camera(**tags: object) -> bytes:
    exif = Image.Exif()
    names = {"width": 0xA002, "height": 0xA003, "across": 0xA20E, "down": 0xA20F, "unit": 0xA210, "area": 0x9214}
    exif.get_ifd(ExifTags.IFD.Exif).update({names[name]: value for name, value in tags.items()})
    buffer = io.BytesIO()
    Image.fromarray(photo()).save(buffer, "JPEG", exif=exif.tobytes())
    return buffer.getvalue()


def enlarged(data: bytes, size: Size) -> dict[int, object]:
    exif = Image.Exif()
    exif.load(finished(decode(data).metadata, size, MADE)[0].exif)
    return exif.get_ifd(ExifTags.IFD.Exif)


def test_the_sensor_keeps_its_size(tmp_path):
    """Its width is the picture's pixels over those per unit: programs compute the crop factor from both."""
    tags = enlarged(camera(width=14, height=10, across=7.0, down=7.0, unit=3, area=(5, 5, 2, 2)), Size(20, 28))
    assert (tags[0xA002], tags[0xA003]) == (28, 20)
    assert float(tags[0xA20E]) == float(tags[0xA20F]) == pytest.approx(14)
    assert 0x9214 not in tags  # where the subject was, in old pixels


def test_a_density_without_a_size_is_left_out():
    assert 0xA20E not in enlarged(camera(across=7.0, down=7.0, unit=3), Size(20, 28))


def test_xmp_of_panoramas_and_regions_is_corrected():
    packet = (
        b'<rdf:Description GPano:FullPanoWidthPixels="40" GPano:CroppedAreaImageWidthPixels="20" '
        b'GPano:CroppedAreaImageHeightPixels="10" GPano:CroppedAreaLeftPixels="4" tiff:ImageWidth="20" GPano:Pose="7">'
        b'<mwg-rs:AppliedToDimensions stDim:w="20" stDim:h="10" stDim:unit="pixel"/><a stDim:w="20"/></rdf:Description>'
    )
    made = correct_xmp(packet, Size(30, 60))
    for part in (
        b'FullPanoWidthPixels="120"', b'CroppedAreaImageWidthPixels="60"', b'CroppedAreaImageHeightPixels="30"',
        b'CroppedAreaLeftPixels="12"', b'tiff:ImageWidth="60"', b'GPano:Pose="7"',
        b'<mwg-rs:AppliedToDimensions stDim:w="60" stDim:h="30" stDim:unit="pixel"/>', b'<a stDim:w="20"/>',
    ):  # fmt: skip
        assert part in made, part


def test_xmp_of_parts_that_are_left_behind_is_dropped():
    """A gain map, a movie and a preview of the old file: viewers would look for them in the new one."""
    packet = (
        b'<rdf:Description hdrgm:Version="1.0" GCamera:MotionPhoto="1" xmp:Rating="4">'
        b'<Container:Directory><rdf:Seq><rdf:li Item:Semantic="GainMap" Item:Length="99"/></rdf:Seq>'
        b"</Container:Directory><xmp:Thumbnails><rdf:Alt/></xmp:Thumbnails>"
        b"<dc:title>sea</dc:title></rdf:Description>"
    )
    made = correct_xmp(packet, Size(20, 28))
    assert made == b'<rdf:Description xmp:Rating="4"><dc:title>sea</dc:title></rdf:Description>'
