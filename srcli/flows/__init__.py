"""The equations of the papers as pure functions on tensors."""
