"""DegFlow: degradations of any strength along a path of latents."""
