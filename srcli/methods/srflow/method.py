"""SRFlow and SRFlow-LP, declared."""

from srcli.methods.method import Control, Method, Part, Task

CONTROLS = (Control(name="detail", needs="prior"), Control(name="temperature", high=4.0, replaced_by="prior"))
LACKS = {"detail": "has no prior", "temperature": "predicts; its flow alone samples"}

SRFLOW = Method(
    name="srflow",
    does="clean photos at one scale: a conditional Glow",
    paper="SRFlow, Lugmayr et al., ECCV 2020 (arXiv:2006.14200); SRFlow-LP, Tsao et al., CVPR 2024 (arXiv:2403.10988)",
    scales=(1.0, 4.0),
    architectures={
        "srflow": "srcli.methods.srflow.network:SRFlow",
        "level-prior": "srcli.methods.srflow.prior:LevelPrior",
    },
    model="srcli.methods.srflow.model:SRFlowModel",
    parts=(
        Part(role="flow", kinds=("srflow",)),
        Part(role="prior", kinds=("level-prior",), optional=True),
    ),
    controls=CONTROLS,
    lacks=LACKS,
    tasks=(
        Task(name="srflow", role="flow", code="srcli.methods.srflow.training:SRFlowTask"),
        Task(
            name="srflow-prior",
            role="prior",
            code="srcli.methods.srflow.prior_training:SRFlowPriorTask",
            trunk=True,
            flow="always",
        ),
    ),
    published=("srcli.methods.srflow.published:FAMILY", "srcli.methods.srflow.published_priors:FAMILY"),
)

SRFLOW_OFFICIAL = Method(
    name="srflow-official",
    does="published SRFlow and SRFlow-LP checkpoints",
    paper=SRFLOW.paper,
    scales=(1.0, 4.0),
    architectures={"srflow-unet": "srcli.methods.srflow.published_prior:SRFlowUNet"},
    model="srcli.methods.srflow.published_model:PublishedSRFlow",
    parts=(
        Part(role="flow", kinds=("srflow",)),
        Part(role="prior", kinds=("srflow-unet",), optional=True),
    ),
    controls=CONTROLS,
    lacks=LACKS,
)
