"""The search as it is exported: TensorFlow's own operations, few of them a step.

`model.decoding` with the rules of `model.steering` says what is found; this finds the same.
"""
