"""SRFlow and SRFlow-LP: a conditional Glow for one scale, sampled or with a learned prior."""
