"""From logits to new text.

    prompt ──model──▶ logits (B, V) ──filters, draws──▶ ids (B,) ──model──▶ … ──endings──▶ text

language_model  what writing needs of a model, and how a prompt is read
clusters        what is read as one character, inside which no text may end
filters         logits → logits: top-k, top-p and their kin
distribution    logits → the probabilities that are drawn from
ties            draws that rounding decides
draws           logits → ids, each row with its own random numbers
endings         where a text ends
token_source    the ids of many texts, in NumPy or in machine code
growing         one text while it is drawn
generation      prompt → new text, one or several at once
search          the likeliest of many paths, for several searches at once
records         whole records, none of them known
beams           the likeliest text, by beam search
"""
