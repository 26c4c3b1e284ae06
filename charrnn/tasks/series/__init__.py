"""Series of numbers as forecasters read them, and how good forecasts are.

    series ──windows──▶ (B, T, I);  forecasts, what followed ──measures, trials──▶ Report

windows   the last values of a series as a forecaster reads them
measures  errors of forecasts, and forecasts without a model
dates     the times of forecasts
pasts     what a forecaster keeps of the series that it was trained on
network   quantiles of how windows go on
trials    forecasts judged by how series did go on
"""
