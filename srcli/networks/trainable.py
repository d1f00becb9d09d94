"""What a network tells those that train and export it."""

from __future__ import annotations

from torch import nn


class Trainable(nn.Module):
    """A network that can be trained and exported.

    outputs: prefixes of the parameters that make outputs; Muon leaves them to AdamW.
    additions: entries of the state dict that older weights may lack; they begin at zero.
    """

    outputs: tuple[str, ...] = ()
    additions: tuple[str, ...] = ()

    def float32_parameters(self) -> frozenset[str]:
        """The entries of the state dict that exported weights keep in float32; the others become float16."""
        return frozenset()

    def parameters_below(self, *modules: nn.Module) -> frozenset[str]:
        """The names, in the state dict, of all parameters of some submodules."""
        wanted = {id(p) for module in modules for p in module.parameters()}
        return frozenset(name for name, p in self.named_parameters() if id(p) in wanted)
