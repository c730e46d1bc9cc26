"""The science: layers, network, decoding, training, evaluation and export of the summarizer."""
