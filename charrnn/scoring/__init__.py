"""What a text costs, in the units people use.

    nats per token ──score──▶ bits per character, perplexity ──heatmap──▶ page

score       sums of nats, averaged once
heatmap     a text as a page, coloured by surprisal
novelty     how much of a text is copied
"""
