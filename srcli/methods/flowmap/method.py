"""FlowMapSR in pixels, declared."""

from srcli.methods.flowsr.method import COLOUR
from srcli.methods.method import Control, Method, Part, Task

CROPS = "srcli.training.data.degraded:DegradedSpec"

FLOWMAP = Method(
    name="flowmap",
    does="degraded photos in one, two or four steps",
    paper="FlowMapSR, Noble et al., 2026",
    scales=(1.0, 8.0),
    architectures={"lora": "srcli.methods.flowmap.lora:lora"},
    model="srcli.methods.flowmap.model:FlowmapModel",
    graph="srcli.methods.flowmap.graph:graph",
    parts=(
        Part(role="velocity", kinds=("velocity",)),
        Part(role="lora", kinds=("lora",), optional=True),
    ),
    controls=(
        Control(name="detail", high=2.0, needs="lora"),
        Control(name="temperature", high=4.0, swept=False),
        Control(name="steps", low=1, high=4, counts=(1, 2, 4)),
        COLOUR,
    ),
    lacks={"detail": "has no LoRA", "temperature": "does not sample"},
    tasks=(
        Task(
            name="flowmap",
            role="velocity",
            code="srcli.methods.flowmap.training:FlowmapTask",
            trunk=True,
            crops=CROPS,
            learns_degraded=True,
        ),
        Task(
            name="flowmap-lora",
            role="lora",
            code="srcli.methods.flowmap.lora_training:FlowmapLoraTask",
            trunk=True,
            crops=CROPS,
            flow="always",
            learns_degraded=True,
        ),
    ),
)
