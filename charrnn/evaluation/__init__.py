"""How well networks predict a text.

    ids (N,) ──network──▶ nats (N-1,) ──▶ mean

dynamic     a network that goes on learning from what it scores
losses      what each token of a text costs
"""
