"""Make low-resolution and degraded versions of photos."""
