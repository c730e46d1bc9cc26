"""The search as it is exported: TensorFlow's own operations, few of them a step.

`model.decoding` with `model.filters` and `model.support` says what is found; this finds the same.
"""
