"""One file per method: a low-resolution tensor and a target size to a super-resolved tensor."""
