"""The same network in PyTorch, for training.

    ids (B, T) ──embedding, recurrent──▶ (T, B, H) ──head──▶ logits (B, T, V)

openmp      PyTorch's threads, for machine code
kernels     a layer over a whole sequence in machine code
loops       the same in PyTorch's operations
sequences   one autograd function over either
recurrent   stacks of layers
char_rnn    embedding → recurrent stack → head
"""
