"""The product's face: a REST microservice over a trained summarizer."""

VERSION = "0.1.0"
