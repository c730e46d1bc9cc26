"""Training on one accelerator, by JAX: data and batches live where the network computes.

A recipe of two stages: a larger teacher, then a student of the shipped size that also learns the
teacher's opinions. Needs no TensorFlow; model/accelerated/publish.py exports where there is one.
"""
