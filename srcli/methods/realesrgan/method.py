"""Real-ESRGAN's networks, declared."""

from srcli.methods.method import Control, Method, Part

REALESRGAN = Method(
    name="realesrgan",
    does="degraded photos at one scale: Real-ESRGAN and community models of its two architectures",
    paper="Real-ESRGAN, Wang et al., ICCV Workshops 2021 (arXiv:2107.10833)",
    architectures={
        "esrgan": "srcli.methods.realesrgan.network:ESRGAN",
        "compact": "srcli.methods.realesrgan.network:Compact",
    },
    model="srcli.methods.realesrgan.model:RealESRGANModel",
    parts=(
        Part(role="generator", kinds=("esrgan", "compact")),
        Part(role="twin", kinds=("esrgan", "compact"), optional=True),  # denoises less
    ),
    scales=(1.0, 4.0),
    controls=(Control(name="denoise", needs="twin", required=True),),
    lacks={"denoise": "is a single network and needs a second one to mix with: -m FILE --twin FILE"},
    published=(
        "srcli.methods.realesrgan.published:COMPACT",
        "srcli.methods.realesrgan.published:ESRGAN",
        "srcli.methods.realesrgan.published:OLD_ESRGAN",
    ),
    readers=("srcli.methods.realesrgan.ncnn:read",),
)
