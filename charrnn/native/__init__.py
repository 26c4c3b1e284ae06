"""Machine code for the processor at hand, made with llvmlite where it is installed.

    equations ──training_code, writing──▶ code ──LLVM──▶ functions ──threads──▶ arrays

processor      what the processor offers
code           machine code, written as Python
tiles          products of a layer in tiles: AMX
vectors        products of a layer in vectors
product_code   products for all steps of a layer at once
tile_sums      those of the gradients of weights in tiles
muon_code      steps of matrices, orthogonal by blocks of rows
training_code  a recurrent layer over a sequence, forward and backward
writing        many tokens per call, with weights in bytes
"""
