"""Real-ESRGAN's networks: degraded photos at one scale, and the format of most community models."""
