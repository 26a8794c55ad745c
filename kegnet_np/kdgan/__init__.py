"""KDGAN: distillation with labels and an adversary (Wang et al., NeurIPS 2018)."""
