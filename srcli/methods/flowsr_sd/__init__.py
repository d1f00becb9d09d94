"""FlowSR as published: a rectified flow in the latents of Stable Diffusion 2.1."""
