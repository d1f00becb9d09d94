"""What people type: habits from other programs, and options saved as presets."""
