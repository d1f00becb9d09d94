"""The commands of `srcli train`: what each recipe does, and examples. Kept here so that help needs no torch."""

from __future__ import annotations

# The packaged recipes, by name; each is a command.
RECIPES = {
    "linf-base": "Train the encoder and the upsampling of a flow: the first stage.",
    "linf": "Train the flow: likelihood, pixel loss and penalty on the patch grid.",
    "prior": "Train the learned prior of a frozen flow.",
    "srflow-base": "Train the RRDB and the upsampling of a SRFlow: the first stage.",
    "srflow": "Train a SRFlow (x4): likelihood with dequantisation noise.",
    "srflow-prior": "Train the learned prior of a frozen SRFlow.",
    "flowsr-base": "Train a flow from degraded photos to sharp ones: the first stage.",
    "flowsr": "Train that flow on, to be consistent and sharp in one step.",
    "flowmap-base": "Train the velocity of a flow map, from flowsr: the first stage.",
    "flowmap": "Train it on to jump any part of the way: self-distillation.",
    "flowmap-guided": "Train it on to learn the guided flow.",
    "flowmap-lora": "Train a LoRA of a frozen flow map: the dial of --detail.",
    "degflow-ae": "Train the autoencoder of a path of degradation: the first stage.",
    "degflow": "Train the flow along that path, between levels of degradation.",
    "degflow-decoder": "Train the autoencoder's decoder on beside the finished flow.",
}

EXAMPLES = """\
srcli train linf-base --data photos/ --out runs/base --val set5/
srcli train linf-base --data photos/ --out runs/base --resume --max-minutes 60
srcli train linf --init base.safetensors --data photos/ --out runs/linf --val set5/
srcli train srflow-base --data photos/ --out runs/base --val set5/
srcli train srflow --init base.safetensors --data photos/ --out runs/srflow --val set5/
srcli train srflow-prior --flow srflow-s --trunk squeezenet.safetensors --data photos/ --out runs/prior
srcli train flowmap-base --init flowsr-s.safetensors --trunk squeezenet.safetensors --data photos/ --out runs/warm
srcli train flowmap-guided --init map.safetensors --trunk squeezenet.safetensors --data photos/ --out runs/guided
srcli train prior --flow linf-s --trunk squeezenet.safetensors --data photos/ --out runs/prior
srcli train flowsr-base --trunk squeezenet.safetensors --data photos/ --hold-out 20 --out runs/base
srcli train flowsr --flow base.safetensors --trunk squeezenet.safetensors --data photos/ --hold-out 20 --out runs/fs
srcli train flowmap --init warm.safetensors --trunk squeezenet.safetensors --data photos/ --out runs/map
srcli train flowmap-lora --flow guided.safetensors --trunk squeezenet.safetensors --data photos/ --out runs/lora
srcli train degflow-ae --data photos/ --hold-out 20 --out runs/ae
srcli train degflow --pairs RealSR/ --autoencoder ae.safetensors --out runs/degflow
srcli train degflow-decoder --init ae.safetensors --flow degflow.safetensors --data photos/ --out runs/decoder
srcli train flowsr-base --degradation degflow --data photos/ --trunk squeezenet.safetensors --out runs/generated
srcli train flowsr-base --degradation levels --levels 2,4 --data photos/ --trunk squeezenet.safetensors --out runs/two
srcli train linf --recipe wider.toml --data photos/ --out runs/wider"""


def examples(name: str) -> str:
    """Those of a recipe; an empty line between two makes help keep them apart."""
    own = (line for line in EXAMPLES.splitlines() if line.startswith(f"srcli train {name} "))
    return "\n\n".join(["Examples:", *(f"  {line}" for line in own)])
