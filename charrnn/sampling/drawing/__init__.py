"""From logits to ids.

    logits (B, V) ──filters──▶ logits ──distribution──▶ probabilities ──draws──▶ ids (B,)

filters       logits → logits: top-k, top-p and their kin
distribution  logits → the probabilities that are drawn from
ties          draws that rounding decides
draws         logits → ids, each row with its own random numbers
"""
