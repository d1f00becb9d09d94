"""LINF and LINF-LP, declared."""

from srcli.methods.method import Control, Method, Part, Task

CONTROLS = (Control(name="detail", needs="prior"), Control(name="temperature", high=4.0, replaced_by="prior"))
LACKS = {"detail": "has no prior", "temperature": "predicts; its flow alone samples"}

LINF = Method(
    name="linf",
    does="clean photos at any scale: a local implicit normalizing flow",
    paper="LINF, Yao et al., CVPR 2023 (arXiv:2303.05156); LINF-LP, Tsao et al., CVPR 2024 (arXiv:2403.10988)",
    scales=(1.0, 8.0),
    architectures={
        "linf": "srcli.methods.linf.network:linf",
        "grid-prior": "srcli.methods.linf.prior:GridPrior",
    },
    model="srcli.methods.linf.model:LinfModel",
    graph="srcli.methods.linf.graph:graph",
    parts=(
        Part(role="flow", kinds=("linf",)),
        Part(role="prior", kinds=("grid-prior",), optional=True),
    ),
    controls=CONTROLS,
    lacks=LACKS,
    tasks=(
        Task(name="linf", role="flow", code="srcli.methods.linf.training:LinfTask", learns_degraded=True),
        Task(name="prior", role="prior", code="srcli.methods.linf.prior_training:PriorTask", trunk=True, flow="always"),
    ),
    published=("srcli.methods.linf.published:FAMILY", "srcli.methods.linf.published_priors:FAMILY"),
)

LINF_OFFICIAL = Method(
    name="linf-official",
    does="published LINF and LINF-LP checkpoints, exactly as their authors run them",
    paper=LINF.paper,
    scales=(1.0, 8.0),
    architectures={
        "unet-latent": "srcli.networks.latent:UNet",
        "edsr-latent": "srcli.networks.latent:EDSRLatent",
        "swin-latent": "srcli.networks.swin:SwinLatent",
    },
    model="srcli.methods.linf.official:OfficialLinf",
    parts=(
        Part(role="flow", kinds=("linf",)),
        Part(role="prior", kinds=("unet-latent", "edsr-latent", "swin-latent"), optional=True),
    ),
    controls=CONTROLS,
    lacks=LACKS,
)
