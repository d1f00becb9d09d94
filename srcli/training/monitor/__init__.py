"""What a run looks like while it goes on: scores, strips of pictures, curves."""
