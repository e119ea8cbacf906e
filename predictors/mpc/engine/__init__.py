"""A real engine for computing on secrets, driven as separate processes by JSON.

What lies in ``inside`` runs in the engine's own Python, the rest in ours.
"""
