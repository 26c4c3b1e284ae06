"""The same network in PyTorch, for training.

    ids (B, T) ──embedding, recurrent──▶ (T, B, H) ──head──▶ logits (B, T, V)

modes       PyTorch's modes as charrnn needs them
openmp      PyTorch's threads, lent to machine code
engine      what runs the steps of a layer: the contract
kernels     in machine code
loops       in PyTorch's operations
sequences   a layer over a whole sequence, with its gradients, by either
builtin     a layer over a whole sequence by cuDNN or oneDNN
recurrent   stacks of layers
char_rnn    embedding → recurrent stack → head
"""
