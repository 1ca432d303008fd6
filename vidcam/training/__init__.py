"""Training classifiers from folders of pictures: `vidcam train`.

`job` is the whole way from a folder to a model file; `data`, `augment`, `architectures`, `transfer`, `distill`, `loop`
and `checkpoint` are its steps.
"""
