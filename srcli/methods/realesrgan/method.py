"""Real-ESRGAN's networks, declared."""

from srcli.methods.method import Method, Part

REALESRGAN = Method(
    name="realesrgan",
    does="degraded photos at one scale: Real-ESRGAN and community models of its two architectures",
    paper="Real-ESRGAN, Wang et al., ICCV Workshops 2021 (arXiv:2107.10833)",
    architectures={
        "esrgan": "srcli.methods.realesrgan.network:ESRGAN",
        "compact": "srcli.methods.realesrgan.network:Compact",
    },
    model="srcli.methods.realesrgan.model:RealESRGANModel",
    parts=(Part(role="generator", kinds=("esrgan", "compact")),),
    scales=(1.0, 4.0),
    published=(
        "srcli.methods.realesrgan.published:COMPACT",
        "srcli.methods.realesrgan.published:ESRGAN",
        "srcli.methods.realesrgan.published:OLD_ESRGAN",
    ),
    readers=("srcli.methods.realesrgan.ncnn:read",),
)
