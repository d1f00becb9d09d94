"""Measure the quality of models on folders of photos (`quality`) and their speed (`timing`)."""
