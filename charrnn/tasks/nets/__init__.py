"""The networks of tasks, in NumPy: twins of those in `network`.

    ids (B, T) ──encoder──▶ (B, T, D·H) ──decoder──▶ ids;  scores (W, K) ──viterbi──▶ tags
    texts or words ──grams──▶ rows of a table

encoder     rows of different lengths through one stack or two
grams       what is in a text wherever it stands: n-grams, words and pairs of words
viterbi     the best tags that are legal
thresholds  how sure a tagger must be to say a tag
decoder     what writes a translation, token by token
"""
