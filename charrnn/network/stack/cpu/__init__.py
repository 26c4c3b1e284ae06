"""Recurrent layers in machine code, in several threads.

    layer ──packing──▶ words ──kernels──▶ outputs; gradients of weights by ──matrices──▶

team      threads for machine code: PyTorch's, or Python's
packing   weights in the order in which code reads them
matrices  products for all steps at once
kernels   all steps of a layer, forward and backward
"""
