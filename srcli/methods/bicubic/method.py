"""Bicubic interpolation, declared."""

from srcli.methods.method import Method

BICUBIC = Method(
    name="plain",
    does="smooth gradients, and comparisons: plain interpolation, nothing invented",
    paper="Keys, Cubic convolution interpolation for digital image processing, 1981",
    scales=(1.0, 8.0),
    model="srcli.methods.bicubic.model:PlainModel",
)
