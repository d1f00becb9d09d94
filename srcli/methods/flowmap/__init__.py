"""FlowMapSR: flow maps by self-distillation, in one, two or four steps."""
