"""The networks of tasks, in NumPy: twins of those in `network`.

    ids (B, T) ──encoder──▶ (B, T, D·H) ──decoder──▶ ids;  scores (W, K) ──viterbi──▶ tags

encoder  rows of different lengths through one stack or two
viterbi  the best tags that are legal
decoder  what writes a translation, token by token
"""
