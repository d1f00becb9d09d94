"""RRDB networks: one picture, no flow."""
