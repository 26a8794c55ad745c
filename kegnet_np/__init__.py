"""KegNet for tabular classifiers, on NumPy: a small network from a trained one, with no data.

The files of this folder are the paper, to be read in this order:

    backend                     NumPy, or CuPy on a GPU
    params, autodiff            one flat vector, its named views, the tape
    activations, ops, losses    every operation: equation, reference, derivative, fast NumPy
    chain, models, network      layers as one operation; networks as pure functions, and with theta
    optim, sampling, metrics    Adam; what is drawn at random; how good an answer is
    train                       one loop for all
    teacher, generator, tucker, student     the four verbs: teach, extract, compress, distil

and the folders hold what is not in it: beyond (ranks, starts, samplers, metadata), probes (what
samples look like), tables (your own, as numbers), io (checkpoints), experiments (questions put to
the method), interface (the command line; `DataFreeDistiller`, a scikit-learn estimator).
"""

__version__ = "0.2.0"


def __getattr__(name: str):  # imports scikit-learn when it is asked for
    if name != "DataFreeDistiller":
        raise AttributeError(f"module 'kegnet_np' has no attribute {name!r}")
    from importlib import import_module
    return import_module("kegnet_np.interface.estimator").DataFreeDistiller
