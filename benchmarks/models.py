"""The models of the workloads, trained from fixed seeds, made once below `.bench/models`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks import inputs
from benchmarks.inputs import SEED, customers, digits, kept, textures


def model_folder(root: Path, name: str) -> Path:
    """Give what AZUREML_MODEL_DIR is to name: a folder that has the model's files in `model/`."""
    sources = [Path(__file__), Path(inputs.__file__)]
    return kept(root / "models", name, sources, lambda folder: _MAKE[name](folder / "model"))


def _mlp(folder: Path) -> None:
    """A perceptron 784-256-128-10, trained by scikit-learn on digits, written as ONNX."""
    from onnx import helper
    from sklearn.neural_network import MLPClassifier

    images, labels = digits(4000)
    pixels = images.reshape(len(images), 784).astype(np.float32) / 255
    trained = MLPClassifier((256, 128), max_iter=200, tol=1e-3, random_state=SEED).fit(pixels, labels)
    nodes, weights, last = [], [], "pixels"
    for at, (coefficients, bias) in enumerate(zip(trained.coefs_, trained.intercepts_, strict=True)):
        weights += [_constant(f"w{at}", coefficients), _constant(f"b{at}", bias)]
        nodes.append(helper.make_node("Gemm", [last, f"w{at}", f"b{at}"], [f"sum{at}"]))
        is_output = at == len(trained.coefs_) - 1
        last = "scores" if is_output else f"layer{at}"
        nodes.append(helper.make_node("Softmax" if is_output else "Relu", [f"sum{at}"], [last]))
    _save(folder / "mlp.onnx", nodes, weights, ("pixels", ["n", 784]), ("scores", ["n", 10]))


def _conv(folder: Path) -> None:
    """Two layers of random filters and a head that is trained on what they see, written as ONNX."""
    import onnxruntime
    from sklearn.linear_model import LogisticRegression

    chance = np.random.default_rng(SEED)
    weights = [
        _constant("f0", chance.normal(0, 0.12, (16, 3, 7, 7))),
        _constant("f1", chance.normal(0, 0.08, (32, 16, 3, 3))),
    ]
    nodes = _features()
    _save(folder / "features.onnx", nodes, weights, ("image", [1, 3, 224, 224]), ("seen", [1, 32]))
    session = onnxruntime.InferenceSession(folder / "features.onnx", providers=["CPUExecutionProvider"])
    images, kinds = textures(240, edge=224)
    seen = np.vstack([session.run(None, {"image": _planes(image)})[0] for image in images])
    head = LogisticRegression(max_iter=500).fit(seen, kinds)
    weights += [_constant("w", head.coef_.T), _constant("b", head.intercept_)]
    from onnx import helper

    nodes += [helper.make_node("Gemm", ["seen", "w", "b"], ["sum"]), helper.make_node("Softmax", ["sum"], ["scores"])]
    _save(folder / "conv.onnx", nodes, weights, ("image", [1, 3, 224, 224]), ("scores", [1, 8]))
    (folder / "features.onnx").unlink()


def _features() -> list:  # type: ignore[type-arg]  # onnx has no types
    from onnx import helper

    return [
        helper.make_node("Conv", ["image", "f0"], ["c0"], strides=[4, 4], pads=[3, 3, 3, 3]),
        helper.make_node("Relu", ["c0"], ["r0"]),
        helper.make_node("MaxPool", ["r0"], ["p0"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p0", "f1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("GlobalAveragePool", ["r1"], ["g"]),
        helper.make_node("Flatten", ["g"], ["seen"]),
    ]


def _planes(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32).transpose(2, 0, 1)[None] / np.float32(255)


def _constant(name: str, values: np.ndarray):  # type: ignore[no-untyped-def]  # onnx has no types
    from onnx import numpy_helper

    return numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name)


def _save(path: Path, nodes: list, weights: list, source: tuple, result: tuple) -> None:  # type: ignore[type-arg]
    import onnx
    from onnx import TensorProto, helper

    path.parent.mkdir(parents=True, exist_ok=True)
    inputs = [helper.make_tensor_value_info(source[0], TensorProto.FLOAT, source[1])]
    outputs = [helper.make_tensor_value_info(result[0], TensorProto.FLOAT, result[1])]
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _boosting(folder: Path) -> None:
    """One pipeline, as joblib and as MLflow keep it."""
    import joblib
    import mlflow.sklearn
    from mlflow.models import infer_signature

    table, _ = customers(100, seed=SEED)
    trained, features = _trained(), table.drop(columns="customer")
    signature = infer_signature(features, trained.predict(features))
    folder.mkdir(parents=True)
    joblib.dump(trained, folder / "boosting.joblib")
    mlflow.sklearn.save_model(trained, str(folder / "pyfunc"), signature=signature, serialization_format="cloudpickle")


def _trained():  # type: ignore[no-untyped-def]  # scikit-learn is not always there
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table, target = customers(20_000, seed=SEED - 1)
    pipeline = make_pipeline(StandardScaler(), HistGradientBoostingRegressor(max_iter=100, random_state=SEED))
    return pipeline.fit(table.drop(columns="customer"), target)


_MAKE = {"mlp": _mlp, "conv": _conv, "boosting": _boosting}
