"""Community models by spandrel, declared."""

from srcli.methods.method import Method, Part

SPANDREL = Method(
    name="spandrel",
    does="community models at one scale, of the architectures of spandrel",
    paper="spandrel, chaiNNer-org (MIT); each architecture has its own paper",
    architectures={"spandrel": "srcli.methods.spandrel.network:SpandrelNet"},
    model="srcli.methods.spandrel.model:SpandrelModel",
    parts=(Part(role="generator", kinds=("spandrel",)),),
    scales=(1.0, 4.0),
    published=("srcli.methods.spandrel.published:FAMILY",),
)
