"""Trains a Cambium run with PyTorch on one or more processes. `train.py` beside this package is the program."""
