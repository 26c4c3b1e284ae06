"""Recurrent layers, computed in one of several ways.

    inputs (T, B, E) ──choice──▶ kernels, gpu, loops, PyTorch ──sequences──▶ outputs (T, B, H)

team       threads for machine code: PyTorch's, or Python's
engine     what runs the steps of a layer: the contract
gpu        in one kernel of a GPU
kernels    in machine code
loops      in PyTorch's operations
products   matrix products in two precisions
sequences  a layer over a whole sequence, with its gradients, by either
builtin    a layer over a whole sequence by PyTorch's own
choice     what can compute layers here, and what does
recurrent  stacks of layers
"""
