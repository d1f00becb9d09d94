"""The degradations of `srcli.degradation.synthetic` as tensor code, for many squares at once and on any device."""
