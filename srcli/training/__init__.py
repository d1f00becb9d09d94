"""Training: data, losses, the loop, and one recipe (TOML) per model."""
