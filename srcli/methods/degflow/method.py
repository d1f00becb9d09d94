"""DegFlow, declared. It degrades photos; it does not upscale."""

from srcli.methods.method import Method, Part, Task

LEVELS = "srcli.training.data.levels:LevelSpec"

DEGFLOW = Method(
    name="degflow",
    does="realistic degradations of any strength, to make training pairs",
    paper="DegFlow",
    architectures={
        "degflow-ae": "srcli.methods.degflow.autoencoder:Autoencoder",
        "ncsnpp": "srcli.methods.degflow.network:NCSNpp",
    },
    parts=(
        Part(role="autoencoder", kinds=("degflow-ae",)),
        Part(role="flow", kinds=("ncsnpp",)),
    ),
    scales=(1.0, 4.0),
    tasks=(
        Task(
            name="degflow-ae",
            role="autoencoder",
            code="srcli.methods.degflow.autoencoder_training:DegflowAETask",
            levels=True,
            crops=LEVELS,
            flow="options.generated",
        ),
        Task(
            name="degflow",
            role="flow",
            code="srcli.methods.degflow.training:DegflowTask",
            trunk=True,
            autoencoder=True,
            levels=True,
            crops=LEVELS,
        ),
    ),
    published=("srcli.methods.degflow.published:FLOW_FAMILY", "srcli.methods.degflow.published:AUTOENCODER_FAMILY"),
)
