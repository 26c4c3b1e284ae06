"""What a text costs, in the units people use.

    nats per token ──score──▶ bits per character, perplexity ──heatmap──▶ page

score       what the tokens cost → averages for people
heatmap     a text as a page, coloured by surprisal
novelty     how much of a text is copied from a corpus
"""
