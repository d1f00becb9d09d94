"""What `Upscaler` takes and gives in Python, and how it is called."""
