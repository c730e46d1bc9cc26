"""Why a summary says what it says, and how well that is known.

Methods, the metrics that judge them, and the claims that the judgement allows. All of it is NumPy
over a `Scorer`, so that what is measured is what is served.
"""
