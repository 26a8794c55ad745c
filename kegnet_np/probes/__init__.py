"""Measurements of networks and of what they are trained on."""
