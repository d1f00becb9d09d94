"""LINF and LINF-LP: a local implicit normalizing flow at any scale, sampled or with a learned prior."""
