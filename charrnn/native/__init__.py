"""Machine code for the processor at hand, made with llvmlite where it is installed.

    equations ──training_code, sampling_code──▶ code ──LLVM──▶ functions ──threads──▶ arrays

processor      what the processor offers
code           machine code, written as Python
tiles          products of a layer in tiles: AMX
vectors        products of a layer in vectors
product_code   products for all steps of a layer at once
tile_sums      those of the gradients of weights in tiles
muon_code      steps of matrices, orthogonal by blocks of rows
training_code  a recurrent layer over a sequence, forward and backward
byte_weights   a model's weights rounded to bytes
byte_tiles     products of bytes in tiles
sampling_code  steps and draws of many sequences
sampler        many tokens per call, by these
"""
