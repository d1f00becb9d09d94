"""The options of a request mean what they mean on the command line."""

from __future__ import annotations

import pytest

from srcli.arguments import ArgumentError
from srcli.cli.shared import sizes
from srcli.geometry import Target
from srcli.service import Wanted, parse


def test_text_and_json_say_the_same():
    text = parse({"scale": "3.5", "long-side": None, "seed": "7", "strict": "true", "provenance": "0", "format": "png"})
    assert text == parse({"scale": 3.5, "seed": 7, "strict": True, "provenance": False, "format": "png"})
    assert text.target == Target(scale=3.5)
    assert (text.sampling.seed, text.sampling.strict, text.suffix) == (7, True, ".png")


def test_the_defaults_are_those_of_the_command():
    assert Wanted().target == sizes.target_of(None, None, None, long_side=None, short_side=None, megapixels=None)
    assert parse({"size": "80x60", "fit": "cover"}).target == Target(width=80, height=60, fit="cover")
    assert parse({"long-side": "400"}) == parse({"long_side": 400})


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"sclae": 2}, "unknown option 'sclae'; did you mean 'scale'?"),
        ({"scale": "two"}, "scale must be a number, not 'two'"),
        ({"scale": True}, "scale must be a number, not True"),
        ({"scale": "nan"}, "scale must be a number, not nan"),
        ({"seed": 1.5}, "seed must be a whole number, not 1.5"),
        ({"strict": "perhaps"}, "strict must be True or False, not 'perhaps'"),
        ({"format": 3}, "format must be text, not 3"),
        ({"scale": 2, "size": "80x"}, "give exactly one of"),
        ({"size": "80x", "fit": "cover"}, "fit only works with a size of two sides"),
        ({"quality": 101}, "quality goes from 1 to 100, not 101"),
        ({"background": "sky"}, "unknown colour 'sky'"),
        ({"format": "docx"}, "unknown format 'docx'"),
        ({"detail": 9}, "detail goes from 0 to 1"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(values, says):
    def used() -> tuple[object, ...]:
        wanted = parse(values)
        return wanted.target, wanted.sampling, wanted.style, wanted.suffix

    with pytest.raises(ArgumentError) as error:
        used()
    assert says in str(error.value)
