"""Many tokens per call in machine code: each is read, and the next one drawn.

    weights ──byte_weights──▶ bytes, state ──sampler──▶ ids, log-probabilities

byte_weights   a model's weights rounded to bytes
byte_tiles     products of bytes in tiles
sampling_code  steps and draws of many sequences
sampler        many tokens per call, by these
"""
