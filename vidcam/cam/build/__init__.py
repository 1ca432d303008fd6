"""Building: a network to a graph that gives logits, a layer's activations and their gradient.

TensorFlow is imported here and by its engine, nowhere else on the way of a run. What computes a graph is `run`'s
business, what a method makes of its outputs `vidcam.cam.methods`'.
"""
