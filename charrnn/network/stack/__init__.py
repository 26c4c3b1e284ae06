"""Recurrent layers, computed in one of several ways.

    inputs (T, B, E) ──choice──▶ cpu, gpu, loops, PyTorch ──sequences──▶ outputs (T, B, H)

engine     what runs the steps of a layer: the contract
cpu        in machine code
gpu        in one kernel of a GPU
loops      in PyTorch's operations
products   matrix products in two precisions, by whom they are fastest
sequences  a layer over a whole sequence, with its gradients, by any of these
builtin    a layer over a whole sequence by PyTorch's own
choice     what can compute layers here
recurrent  stacks of layers
"""
