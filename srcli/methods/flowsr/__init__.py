"""FlowSR: a rectified flow from the enlarged picture to the sharp one."""
