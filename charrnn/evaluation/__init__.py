"""How well networks predict a text.

    ids (N,) ──network──▶ nats (N-1,) ──▶ mean

surprisals  what each token of a text costs under one network
dynamic     a network that goes on learning from what it scores
losses      how well one network, or several together, predict a text
"""
