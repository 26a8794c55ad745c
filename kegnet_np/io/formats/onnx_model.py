"""A classifier as an ONNX model, for onnxruntime and every other program that runs these."""

import json
from typing import Any

from ..classifier import Classifier
from ..files import optional, write_atomically
from .c_header import as_float32

OPSET, IR = 17, 8  # of 2022: what a new onnx writes unasked, older runtimes refuse
OPERATORS = {"elu": "Elu", "relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid"}


def to_onnx(classifier: Classifier) -> Any:
    """An `onnx.ModelProto`: input ``x`` float32 (N, D) in raw units, output ``probabilities``
    (N, K); the metadata ``class_names`` and ``feature_names`` are JSON lists. A value of a category
    is a feature COLUMN=VALUE, 1 or 0.

    Standardisation is a Sub and a Div, a dense layer a Gemm; one in Tucker form is three. Checked
    by onnx, types and shapes included, before it is returned.
    """
    onnx = optional("onnx", "writing ONNX")
    helper, model = onnx.helper, classifier.network.model
    nodes, constants, names = [], [], iter(range(10**9))

    def constant(name, a):
        constants.append(onnx.numpy_helper.from_array(as_float32(a), name))
        return name

    def node(operator, *inputs, **attributes):
        name = f"{operator.lower()}{next(names)}"
        nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    y = node("Sub", "x", constant("mean", classifier.mean))
    y = node("Div", y, constant("scale", classifier.scale))
    for i, (W, b, activation) in enumerate(classifier.layers):
        given = [constant(f"W{i}", W)] + ([] if b is None else [constant(f"b{i}", b)])
        y = node("Gemm", y, *given)
        if activation in OPERATORS:
            y = node(OPERATORS[activation], y)
    nodes.append(helper.make_node("Softmax", [y], ["probabilities"], name="softmax", axis=1))
    number = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "classifier",
        [helper.make_tensor_value_info("x", number, ["N", model.features])],
        [helper.make_tensor_value_info("probabilities", number, ["N", model.classes])], constants)
    made = helper.make_model(graph, producer_name="kegnet_np", ir_version=IR,
                             opset_imports=[helper.make_opsetid("", OPSET)])
    helper.set_model_props(made, {"class_names": json.dumps(classifier.class_names),
                                  "feature_names": json.dumps(classifier.feature_names)})
    onnx.checker.check_model(made, full_check=True)
    return made


def write(path, classifier: Classifier) -> None:
    """Write the model."""
    content = to_onnx(classifier).SerializeToString(deterministic=True)
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
