"""FlowSR as published, in the latents of Stable Diffusion, declared."""

from srcli.methods.flowsr.method import COLOUR, STEPS
from srcli.methods.method import Control, Method, Part

FLOWSR_SD = Method(
    name="flowsr-sd",
    does="FlowSR as published, on Stable Diffusion 2.1",
    paper="FlowSR, Xu et al., ICCV 2025 (arXiv:2605.12377)",
    scales=(1.0, 8.0),
    model="srcli.methods.flowsr_sd.model:FlowsrSd",
    parts=(Part(role="unet"), Part(role="vae"), Part(role="prompts")),
    controls=(Control(name="detail", swept=False), Control(name="temperature", high=4.0, swept=False), STEPS, COLOUR),
    load="srcli.methods.flowsr_sd.published:load",
)
