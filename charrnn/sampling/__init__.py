"""From logits to new text.

    prompt ──model──▶ logits (B, V) ──filters, draws──▶ ids (B,) ──model──▶ … ──endings──▶ text

filters     logits → logits: top-k, top-p and their kin
draws       logits → ids
endings     where a text ends
generation  prompt → new text, one or many at once
beams       the likeliest text, by beam search
"""
