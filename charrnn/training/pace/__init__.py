"""How long a run takes.

    minutes ──trial──▶ the fastest way ──pacing──▶ updates ──deadline──▶ fewer or more, as it goes

trial       which way to compute is the fastest here
pacing      how many updates fit in the minutes
neighbours  leaves other programs their part of the processors
deadline    keeps a run to its minutes
"""
