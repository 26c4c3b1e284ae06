"""Pictures of what a model has learnt, as SVG or PNG, drawn by matplotlib.

    figures ──▶ a picture in one style, readable on paper

style      one style for all pictures, and how they are written
curves     training curves of one or several runs
forecasts  history, forecasts and their bands
insights   pictures of units, of memory, of gradients
"""
