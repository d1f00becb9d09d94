"""The RRDB networks that SRFlow starts from, declared."""

from srcli.methods.method import Method, Part

RRDB = Method(
    name="rrdb",
    does="clean photos at one scale: the mean picture, nothing invented",
    paper="ESRGAN, Wang et al., ECCV Workshops 2018 (arXiv:1809.00219)",
    scales=(1.0, 4.0),
    architectures={"srflow-rrdb": "srcli.networks.rrdb:StackedRRDB"},
    model="srcli.methods.rrdb.model:RrdbModel",
    parts=(Part(role="encoder", kinds=("srflow-rrdb",)),),
    published=("srcli.methods.rrdb.published:FAMILY",),
)
