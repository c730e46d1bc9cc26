"""One file a method. Each says what its scores are, in which unit, and what it costs.

`gradient` is not here: it needs the signature `saliency`, and will be `gradient.py`.
"""
