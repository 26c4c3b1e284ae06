"""What a text costs, in the units people use.

    nats per token ──score──▶ bits per character, perplexity ──heatmap──▶ page

batches     texts of different lengths, side by side with those of like length
lanes       a long text, read side by side in parts that warm up on what stands before
score       what the tokens cost → averages for people
heatmap     a text as a page, coloured by surprisal
novelty     how much of a text is copied from a corpus
"""
