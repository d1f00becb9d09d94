"""FlowSR in pixels, declared."""

from srcli.methods.method import Control, Method, Part, Task

STEPS = Control(name="steps", low=1, high=100)
COLOUR = Control(name="colour", values=("none", "wavelet", "adain"), swept=False)

FLOWSR = Method(
    name="flowsr",
    does="blurred, noisy or compressed photos, restored and enlarged in one step",
    paper="FlowSR, Xu et al., ICCV 2025 (arXiv:2605.12377)",
    scales=(1.0, 8.0),
    architectures={"velocity": "srcli.methods.flowsr.network:VelocityNet"},
    model="srcli.methods.flowsr.model:FlowsrModel",
    graph="srcli.methods.flowsr.graph:graph",
    parts=(Part(role="velocity", kinds=("velocity",)),),
    controls=(
        Control(name="detail", swept=False),
        STEPS,
        COLOUR,
    ),
    lacks={"temperature": "does not sample"},
    tasks=(
        Task(
            name="flowsr",
            role="velocity",
            code="srcli.methods.flowsr.training:FlowsrTask",
            trunk=True,
            crops="srcli.training.data.degraded:DegradedSpec",
            flow="loss.consistency",
            learns_degraded=True,
        ),
        Task(
            name="restorer",
            role="velocity",
            code="srcli.methods.flowsr.restorer:RestorerTask",
            trunk=True,
            crops="srcli.training.data.lessons:LessonSpec",
            taught=True,
        ),
    ),
)
