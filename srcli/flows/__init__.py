"""The equations of the papers as pure functions on tensors; `docs/equations.md` maps each equation to its function.

Nothing here reads a file, knows a network or imports from another room. A first line names the paper and the equation,
or the section where the number is not certain.
"""
