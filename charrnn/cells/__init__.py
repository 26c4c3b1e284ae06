"""The equations of SimpleRNN, LSTM and GRU, for NumPy, PyTorch and machine code alike.

    gx = x Wᵢᵀ + bᵢ, gh = h Wₕᵀ + bₕ ──rules──▶ output, state ──gradients──▶ derivatives

rules       each cell in six readable lines
gradients   the same cells forward and backward, for training
layout      how the weights of a recurrent stack are named and shaped
heads       the same for every kind of model
"""
