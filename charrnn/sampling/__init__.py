"""From logits to new text.

    prompt ──model──▶ logits (B, V) ──drawing──▶ ids (B,) ──model──▶ … ──endings──▶ text

language_model  what writing needs of a model, and how a prompt is read
clusters        what is read as one character, inside which no text may end
drawing         logits → ids
endings         where a text ends
token_source    what is asked for, and the ids of many texts, in NumPy or in machine code
growing         one text while it is drawn
generation      prompt → new text, one or several at once
search          the likeliest of many paths, for several searches at once
records         whole records, none of them known
beams           the likeliest text, by beam search
"""
